/** The environment variables that a configuration reads secrets from (`{ env: NAME }`). */
export function secretVariables(settings: unknown): ReadonlySet<string> {
  if (typeof settings !== 'object' || settings === null) return new Set()
  return new Set(
    Object.entries(settings).flatMap(([key, value]: [string, unknown]) =>
      key === 'env' && typeof value === 'string' ? [value] : [...secretVariables(value)],
    ),
  )
}
