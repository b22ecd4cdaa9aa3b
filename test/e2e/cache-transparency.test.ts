import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { HOP_BY_HOP } from '../helpers/field-lines.ts'
import type { RecordedResponse, SuiteRun } from '../helpers/cache-suite.ts'
import { credentialConfig } from '../helpers/credential-call.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

/** The origin server of the suite that tests HTTP caches (cache-tests.fyi), on a free port. */
async function startOrigin(): Promise<string> {
  const server = runScript(import.meta.resolve('http-cache-tests/server/server.mjs'), [], {
    npm_config_protocol: 'http',
    npm_config_port: '0',
    npm_config_pidfile: '/dev/null',
  })
  const [line]: string[] = await once(createInterface({ input: server.stdout }), 'line')
  return `http://127.0.0.1:${/^Listening on .*:(\d+)\/$/.exec(line ?? '')?.[1]}`
}

/** The results of the suite against `base`, without values that differ between runs. */
async function runSuite(base: string): Promise<SuiteRun> {
  const client = runScript(import.meta.resolve('../helpers/cache-suite.ts'), [base])
  const printed = await text(client.stdout)
  return JSON.parse(
    printed
      .replaceAll(base, 'BASE')
      .replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, 'UUID')
      .replaceAll(/\w+, \d\d[ -]\w{3}[ -]\d+ [\d:]+ GMT/g, 'DATE'),
  )
}

function runScript(
  url: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const child = spawn(process.execPath, [fileURLToPath(url), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Connection-specific fields (RFC 9110 section 7.6.1), then those of the path and the time. */
const NOT_COMPARED = [...HOP_BY_HOP, 'via', 'date', 'server-now']

/** The part of a response that must be the same with and without the sidecar. */
function comparableResponse({ path, status, fields, body }: RecordedResponse): unknown {
  // Fields that Connection lists are connection-specific, too.
  const listed = fields.find(([name]) => name === 'connection')?.[1].split(', ') ?? []
  const ignored = new Set([...NOT_COMPARED, ...listed])
  // This body lists the requests that the origin received, so the token makes it longer.
  const isReport = path.startsWith('/state/')
  if (isReport) ignored.add('content-length')
  return {
    path,
    status,
    fields: fields.filter(([name]) => !ignored.has(name)),
    body: isReport ? JSON.parse(body).map(comparableRequest) : body,
  }
}

type ReceivedRequest = { readonly request_headers: Readonly<Record<string, string>> }

/**
 * Fields that differ with the sidecar, and those that the suite sets from state that its tests share and
 * that depends on their order.
 */
const NOT_COMPARED_OF_REQUESTS = new Set([
  'connection',
  'via',
  'x-access-token',
  'test-id',
  'test-name',
  'req-num',
])

/** A request that the origin received, without the fields that differ. */
function comparableRequest(request: ReceivedRequest): unknown {
  const fields = Object.entries(request.request_headers)
  const compared = fields.filter(([name]) => !NOT_COMPARED_OF_REQUESTS.has(name))
  return { ...request, request_headers: Object.fromEntries(compared) }
}

const HUNG_UP = ['FetchError', 'request to BASE/test/UUID failed, reason: socket hang up']
const GARBAGE = [
  'FetchError',
  'Invalid response body while trying to fetch BASE/test/UUID: Parse Error: Expected HTTP/, RTSP/ or ICE/',
]
const FROM_CACHE = ['Assertion', 'Response 2 comes from cache']
const NOT_FROM_CACHE = ['Assertion', 'Response 2 does not come from cache']
const NOT_CACHED = ['Setup', 'Response 2 does not come from cache']
const NOT_CONDITIONAL = ['Setup', 'Request 2 should have been conditional, but it was not.']

/**
 * Results that differ because of the intermediary. None of these tests passes, with or without the
 * sidecar.
 */
const UNKNOWN_CODING = ['Setup', 'Response 1 status is 502, not 200']

const DIFFERENT: Readonly<Record<string, unknown>> = {
  // The origin closes the connection without a response: 502 (RFC 9110 section 15.6.3).
  'stale-close': [HUNG_UP, NOT_FROM_CACHE],
  'stale-close-must-revalidate': [HUNG_UP, FROM_CACHE],
  'stale-close-no-cache': [HUNG_UP, FROM_CACHE],
  'stale-close-proxy-revalidate': [HUNG_UP, FROM_CACHE],
  'stale-close-s-maxage=2': [HUNG_UP, FROM_CACHE],
  'stale-sie-503': [HUNG_UP, NOT_FROM_CACHE],
  'stale-sie-close': [HUNG_UP, NOT_FROM_CACHE],
  'stale-warning-become': [HUNG_UP, NOT_CACHED],
  'stale-warning-stored': [HUNG_UP, NOT_CACHED],
  // The origin sends more bytes than its Content-Length; the sidecar discards the rest.
  'headers-store-Content-Length': [GARBAGE, NOT_CACHED],
  '304-etag-update-response-Content-Length': [GARBAGE, NOT_CONDITIONAL],
  // The origin sends an unknown transfer coding (RFC 9112 section 7): 502.
  'headers-store-Transfer-Encoding': [NOT_CACHED, UNKNOWN_CODING],
}

test('http-cache-tests has the same results with the sidecar as without', async () => {
  const origin = await startOrigin()
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    credentialConfig(
      `tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }`,
      origin,
      // The suite tests its own Authorization field.
      'inject: { header: X-Access-Token }',
    ),
  )
  const [direct, through] = await Promise.all([runSuite(origin), runSuite(sidecar.proxyUrl)])

  const ids = Object.keys(direct.outcomes)
  expect(ids.length).toBeGreaterThan(300)
  expect(Object.keys(through.outcomes)).toEqual(ids)
  const differing = ids
    .map((id) => [id, [direct.outcomes[id], through.outcomes[id]]] as const)
    .filter(([, [one, other]]) => !isDeepStrictEqual(one, other))
  expect(Object.fromEntries(differing)).toEqual(DIFFERENT)

  const comparable = (run: SuiteRun): Record<string, unknown> =>
    Object.fromEntries(
      ids
        .filter((id) => !(id in DIFFERENT))
        .map((id) => [id, run.responses[id]?.map(comparableResponse)]),
    )
  expect(comparable(through)).toEqual(comparable(direct))
})
