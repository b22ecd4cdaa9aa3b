type Environment = Readonly<Record<string, string | undefined>>

/**
 * The environment variables that a configuration reads secrets from: `{ env: NAME }`, and those with the same text as
 * the secret of `{ value: '${NAME}' }`, whose name is no longer known.
 */
export function secretVariables(settings: unknown, env: Environment): ReadonlySet<string> {
  if (typeof settings !== 'object' || settings === null) return new Set()
  const entries = Object.entries(settings)
  return new Set(
    entries.flatMap(([key, value]: [string, unknown]) => {
      if (typeof value !== 'string') return [...secretVariables(value, env)]
      if (key === 'env') return [value]
      return key === 'value' && entries.length === 1 ? variablesWith(value, env) : []
    }),
  )
}

function variablesWith(text: string, env: Environment): string[] {
  return Object.keys(env).filter((name) => env[name] === text)
}
