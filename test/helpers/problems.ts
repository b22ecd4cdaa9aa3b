import { type LoadResult, loadConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problem.ts'

/** What stands around a configuration file. */
export type Surroundings = {
  readonly env?: Readonly<Record<string, string>>
  /** Other files, by the path that the configuration has for them. */
  readonly files?: Readonly<Record<string, string>>
}

/** Loads a configuration among files that exist only here. */
export async function loadText(text: string, around: Surroundings = {}): Promise<LoadResult> {
  const { env = {}, files = {} } = around
  return await loadConfig(text, {
    env,
    async readFile(path) {
      const content = files[path]
      if (content !== undefined) return await Promise.resolve(content)
      throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: 'ENOENT' })
    },
  })
}

/** Everything that is wrong with a configuration, as a person reads it: `8:5 routes[0]: expected …`. */
export async function problemsOf(text: string, around: Surroundings = {}): Promise<string[]> {
  const result = await loadText(text, around)
  return result.ok ? [] : result.problems.map(formatPlace)
}

/** The same for warnings; undefined for a file that is wrong. */
export async function warningsOf(
  text: string,
  around: Surroundings = {},
): Promise<string[] | undefined> {
  const result = await loadText(text, around)
  return result.ok ? result.warnings.map(formatPlace) : undefined
}

function formatPlace({ line, column, path, message }: Problem): string {
  return `${line}:${column} ${path === '' ? '' : `${path}: `}${message}`
}

/** What a test has to say about a configuration; all the rest is right. */
export type Given = {
  readonly credential?: object
  readonly route?: object
  readonly top?: object
}

/** The configuration with what is given; a key that is given as undefined is left out. */
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

/** Like problemsOf for one that is right but for what is given, without the positions. */
export async function faultsOf(given: Given, around: Surroundings = {}): Promise<string[]> {
  const problems = await problemsOf(JSON.stringify(configWith(given)), {
    ...around,
    env: { CORP_SECRET: 's', ...around.env },
  })
  return problems.map((problem) => problem.replace(/^\d+:\d+ /, ''))
}
