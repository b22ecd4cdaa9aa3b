const VARIABLE = /\$(?:(?<escaped>\$)(?=\{)|\{(?<name>[A-Za-z_]\w*)(?::-(?<fallback>[^}]*))?\})/g

/**
 * Fills in `${NAME}` and `${NAME:-default}`, whose default stands in for a variable that is unset or
 * empty, as in a shell. `$${` is a literal `${`. Names the variables that are not set.
 */
export function interpolate(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): { text: string; missing: readonly string[] } {
  const missing: string[] = []
  const filled = text.replace(VARIABLE, (_match, ...rest) => {
    const { escaped, name = '', fallback } = groupsOf(rest)
    if (escaped !== undefined) return '$'
    const value = env[name]
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value === undefined) missing.push(name)
    return value ?? ''
  })
  return { text: filled, missing }
}

/** The named groups are the last argument of a replacer. */
function groupsOf(args: readonly unknown[]): Readonly<Record<string, string | undefined>> {
  const groups = args.at(-1)
  return typeof groups === 'object' && groups !== null ? { ...groups } : {}
}
