export type Variables = Readonly<Record<string, string>>

/** An env file as Docker, Compose and systemd read it: NAME=VALUE lines, comments, optional quotes. */
export function parseEnvFile(text: string): Variables {
  const variables: Record<string, string> = {}
  for (const line of text.split(/\r?\n/)) {
    const { name, value = '' } = LINE.exec(line)?.groups ?? {}
    if (name !== undefined) variables[name] = unquoted(value.trim())
  }
  return variables
}

const LINE = /^\s*(?:export\s+)?(?<name>[A-Za-z_]\w*)\s*=(?<value>.*)$/

function unquoted(value: string): string {
  if (/^'.*'$/.test(value)) return value.slice(1, -1)
  if (/^".*"$/.test(value)) return value.slice(1, -1).replaceAll(/\\([\\"$`])/g, '$1')
  return value
}

/** `/proc/PID/environ`: variables that are separated by NUL. */
export function parseProcessEnvironment(text: string): Variables {
  return Object.fromEntries(
    text.split('\0').flatMap((entry) => {
      const equals = entry.indexOf('=')
      return equals < 1 ? [] : [[entry.slice(0, equals), entry.slice(equals + 1)]]
    }),
  )
}

/** `-Dname=value` options of the JVM in `JAVA_TOOL_OPTIONS`. */
export function parseSystemProperties(options: string): Variables {
  const words = options.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []
  return Object.fromEntries(
    words.flatMap((word) => {
      const { name, value } =
        /^-D(?<name>[^=]+)=(?<value>.*)$/.exec(word.replaceAll(/["']/g, ''))?.groups ?? {}
      return name === undefined || value === undefined ? [] : [[name, value]]
    }),
  )
}
