export const VARIABLE_FORMATS = ['shell', 'dotenv'] as const

export type VariableFormat = (typeof VARIABLE_FORMATS)[number]

/** Environment variables, for `eval` in a POSIX shell, or for an env file of Docker Compose and systemd. */
export function printVariables(
  variables: Readonly<Record<string, string>>,
  format: VariableFormat,
): string {
  return Object.entries(variables)
    .map(([name, value]) =>
      format === 'shell'
        ? `export ${name}=${shellQuoted(value)}\n`
        : `${name}=${envQuoted(value)}\n`,
    )
    .join('')
}

function shellQuoted(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}

/** Quotes only where needed, because `docker run --env-file` does not remove them; Compose would expand "$". */
function envQuoted(value: string): string {
  if (value.trim() === value && !/['"\\$`#]/.test(value)) return value
  return value.includes("'") || value.includes('\\')
    ? `"${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"`
    : `'${value}'`
}
