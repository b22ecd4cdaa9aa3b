const VARIABLE =
  /(?<escaped>\$\$\{)|\$\{(?<name>[A-Za-z_]\w*)(?::-(?<fallback>[^{}]*))?\}|(?<malformed>\$\{)/g

export type Interpolated = {
  readonly text: string
  /** The variables that are not set. */
  readonly missing: readonly string[]
  /** Whether there is a `${` that does not begin a valid variable. */
  readonly malformed: boolean
}

/**
 * Replaces `${NAME}` and `${NAME:-default}`; as in a shell, the default is used if the variable is unset or empty.
 * `$${` is a literal `${`.
 */
export function interpolate(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): Interpolated {
  const missing: string[] = []
  let malformed = false
  const filled = text.replace(VARIABLE, (match, ...rest) => {
    const groups = groupsOf(rest)
    if (groups['escaped'] !== undefined) return '${'
    if (groups['malformed'] !== undefined) {
      malformed = true
      return match
    }
    const { name = '', fallback } = groups
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) missing.push(name)
    return value ?? ''
  })
  return { text: filled, missing, malformed }
}

/** The named groups are the last argument of a replacer. */
function groupsOf(args: readonly unknown[]): Readonly<Record<string, string | undefined>> {
  const groups = args.at(-1)
  return typeof groups === 'object' && groups !== null ? { ...groups } : {}
}
