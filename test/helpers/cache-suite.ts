// A program, because the suite has module state, so that each run needs a new process.
// In contrast to cli.mjs of the suite, it also prints the responses: without a cache most tests fail at
// their first expectation, so that later changes by an intermediary would remain undetected.
import { createRequire } from 'node:module'

/** By the identifier of a test. */
export type SuiteRun = {
  /** True, or the reason why the test failed. */
  readonly outcomes: Readonly<Record<string, true | readonly string[]>>
  readonly responses: Readonly<Record<string, readonly RecordedResponse[]>>
}

export type RecordedResponse = {
  readonly path: string
  readonly status: string
  readonly fields: readonly (readonly [string, string])[]
  readonly body: string
}

type Fetch = (url: string, init?: RequestInit) => Promise<Response>
type Suites = { push(suite: unknown): void }
type Runner = {
  runTests(tests: Suites, fetch: Fetch, isBrowser: boolean, base: string): Promise<void>
  getResults(): SuiteRun['outcomes']
}

const cli = import.meta.resolve('http-cache-tests/cli.mjs')
const { default: suites }: { default: Suites } = await import(path('tests/index.mjs'))
const { default: surrogate }: { default: unknown } = await import(
  path('tests/surrogate-control.mjs')
)
const { runTests, getResults }: Runner = await import(path('client/runner.mjs'))
const { testUUIDs }: { testUUIDs: Record<string, string> } = await import(path('client/test.mjs'))
const nodeFetch: Fetch & { Response: typeof Response } = createRequire(cli)('node-fetch')

const [, , base = ''] = process.argv
const responses = new Map<string, RecordedResponse[]>()
suites.push(surrogate)
await runTests(suites, recordingFetch, false, base)
const run: SuiteRun = {
  outcomes: getResults(),
  responses: Object.fromEntries(
    Object.entries(testUUIDs).map(([id, uuid]) => [id, responses.get(uuid) ?? []]),
  ),
}
process.stdout.write(JSON.stringify(run))

function path(inSuite: string): string {
  return new URL(inSuite, cli).href
}

async function recordingFetch(url: string, init?: RequestInit): Promise<Response> {
  const response = await nodeFetch(url, init)
  const { pathname } = new URL(url)
  const { status, statusText, headers } = response
  const body = await response.text()
  const [, , uuid = ''] = pathname.split('/')
  const recorded = { path: pathname, status: `${status} ${statusText}`, fields: [...headers], body }
  responses.set(uuid, [...(responses.get(uuid) ?? []), recorded])
  return new nodeFetch.Response(body, { status, statusText, headers })
}
