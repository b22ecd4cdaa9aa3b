import { type LoadResult, loadConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problem.ts'

/** The environment of a configuration file. */
export type ConfigEnvironment = {
  readonly env?: Readonly<Record<string, string>>
  /** Other files, by the path that the configuration has for them. */
  readonly files?: Readonly<Record<string, string>>
}

/** Loads a configuration with these variables and files. */
export async function loadText(
  text: string,
  environment: ConfigEnvironment = {},
): Promise<LoadResult> {
  const { env = {}, files = {} } = environment
  return await loadConfig(text, {
    env,
    async readFile(path) {
      const content = files[path]
      if (content !== undefined) return await Promise.resolve(content)
      throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: 'ENOENT' })
    },
  })
}

/** The problems of a configuration, as they are printed: `8:5 routes[0]: expected …`. */
export async function problemsOf(
  text: string,
  environment: ConfigEnvironment = {},
): Promise<string[]> {
  const result = await loadText(text, environment)
  return result.ok ? [] : result.problems.map(formatPlace)
}

/** The warnings of a configuration; undefined if it is invalid. */
export async function warningsOf(
  text: string,
  environment: ConfigEnvironment = {},
): Promise<string[] | undefined> {
  const result = await loadText(text, environment)
  return result.ok ? result.warnings.map(formatPlace) : undefined
}

function formatPlace({ line, column, path, message }: Problem): string {
  return `${line}:${column} ${path === '' ? '' : `${path}: `}${message}`
}

/** Changes to an otherwise valid configuration. */
export type Given = {
  readonly credential?: object
  readonly route?: object
  readonly top?: object
}

/** A valid configuration with these changes; a key with the value undefined is removed. */
export function configWith({ credential, route, top }: Given): object {
  return {
    credentials: {
      corp: {
        tokenEndpoint: 'https://login.example.com/token',
        clientId: 'legacy-billing',
        auth: { clientSecret: { env: 'CORP_SECRET' } },
        ...credential,
      },
    },
    routes: [
      {
        name: 'orders',
        match: { path: '/orders' },
        upstream: 'https://orders.example.com',
        credential: 'corp',
        ...route,
      },
    ],
    ...top,
  }
}

/** The problems of a valid configuration with these changes, without positions. */
export async function faultsOf(
  given: Given,
  environment: ConfigEnvironment = {},
): Promise<string[]> {
  const problems = await problemsOf(JSON.stringify(configWith(given)), {
    ...environment,
    env: { CORP_SECRET: 's', ...environment.env },
  })
  return problems.map((problem) => problem.replace(/^\d+:\d+ /, ''))
}
