import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { HOP_BY_HOP } from '../helpers/field-lines.ts'
import type { Answer, SuiteRun } from '../helpers/cache-suite.ts'
import { credentialConfig } from '../helpers/one-call.ts'
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

/** What comes of every test of that suite against `base`, in words that are the same in every run. */
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

/** Fields about one connection (RFC 9110 section 7.6.1), then those about the way and the moment. */
const NOT_COMPARED = [...HOP_BY_HOP, 'via', 'date', 'server-now']

/** An answer as both ways have to give it. */
function essence({ path, status, fields, body }: Answer): unknown {
  // So are those that Connection names.
  const listed = fields.find(([name]) => name === 'connection')?.[1].split(', ') ?? []
  const ignored = new Set([...NOT_COMPARED, ...listed])
  // The origin tells here what it received; with the token that is longer.
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
 * What the two ways have to differ in; and what the suite appends for itself to lists of fields that some of
 * its tests share, in whatever order they run.
 */
const NOT_COMPARED_OF_REQUESTS = new Set([
  'connection',
  'via',
  'x-access-token',
  'test-id',
  'test-name',
  'req-num',
])

/** A request as the origin reports it. */
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
 * Where the client sees something else because there is an intermediary at all. None of these tests
 * passes, be it with or without one.
 */
const UNKNOWN_CODING = ['Setup', 'Response 1 status is 502, not 200']

const DIFFERENT: Readonly<Record<string, unknown>> = {
  // The origin hangs up instead of answering, which a client is told by a 502 (RFC 9110 section 15.6.3).
  'stale-close': [HUNG_UP, NOT_FROM_CACHE],
  'stale-close-must-revalidate': [HUNG_UP, FROM_CACHE],
  'stale-close-no-cache': [HUNG_UP, FROM_CACHE],
  'stale-close-proxy-revalidate': [HUNG_UP, FROM_CACHE],
  'stale-close-s-maxage=2': [HUNG_UP, FROM_CACHE],
  'stale-sie-503': [HUNG_UP, NOT_FROM_CACHE],
  'stale-sie-close': [HUNG_UP, NOT_FROM_CACHE],
  'stale-warning-become': [HUNG_UP, NOT_CACHED],
  'stale-warning-stored': [HUNG_UP, NOT_CACHED],
  // The origin sends more bytes than its Content-Length says; they end here.
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
      // The suite looks at what becomes of its own Authorization.
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
      ids.filter((id) => !(id in DIFFERENT)).map((id) => [id, run.answers[id]?.map(essence)]),
    )
  expect(comparable(through)).toEqual(comparable(direct))
})
