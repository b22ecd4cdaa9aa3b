import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { TLSSocket } from 'node:tls'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { loadText } from '../helpers/problems.ts'
import { routeSettings } from '../helpers/schema-settings.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

/*
 * Every setting of a route that `check` accepts has an observable effect. The settings are derived from the
 * schema, so that a new one without a probe fails.
 */

type Lines = Readonly<Record<string, unknown>>

type Circumstances = {
  readonly method?: 'GET' | 'POST'
  /** The status of every response of the API. */
  readonly apiStatus?: number
  /** Whether the authorization server issues tokens. */
  readonly issuesTokens?: boolean
}

/** Two routes that differ in one setting only. */
type Probe = Circumstances & { readonly base: Lines; readonly changed: Lines }

const PROBES: Readonly<Record<string, Probe>> = {
  name: { base: {}, changed: { name: 'other' } },
  'match.host': { base: {}, changed: { match: { path: '/', host: 'other.example' } } },
  'match.path': { base: {}, changed: { match: { path: '/orders' } } },
  'match.methods': { base: {}, changed: { match: { path: '/', methods: ['PUT'] } } },
  upstream: { base: {}, changed: { upstream: 'API/v3' } },
  keepPath: { base: { match: { path: '/orders' } }, changed: { keepPath: true } },
  keepHost: { base: {}, changed: { keepHost: true } },
  credential: { base: {}, changed: { credential: 'none' } },
  scopes: { base: {}, changed: { scopes: ['a'] } },
  audience: { base: {}, changed: { audience: 'a' } },
  resource: { base: {}, changed: { resource: 'https://a.example/' } },
  'inject.header': { base: {}, changed: { inject: { header: 'X-Token' } } },
  'inject.prefix': { base: {}, changed: { inject: { prefix: 'Token' } } },
  existingAuthorization: { base: {}, changed: { existingAuthorization: 'keep' } },
  'headers.set': { base: {}, changed: { headers: { set: { 'X-A': 'b' } } } },
  'headers.remove': { base: {}, changed: { headers: { remove: ['X-Debug'] } } },
  forwarded: { base: {}, changed: { forwarded: 'x-forwarded' } },
  rewriteLocation: { base: {}, changed: { rewriteLocation: false } },
  'cookies.domain': { base: {}, changed: { cookies: { domain: 'drop' } } },
  'cookies.path': { base: {}, changed: { cookies: { path: 'map' } } },
  'cookies.secure': { base: {}, changed: { cookies: { secure: 'drop' } } },
  'replay.enabled': { base: {}, changed: { replay: { enabled: false } }, apiStatus: 401 },
  'replay.maxBody': {
    base: {},
    changed: { replay: { maxBody: '1B' } },
    apiStatus: 401,
    method: 'POST',
  },
  readiness: { base: {}, changed: { readiness: false }, issuesTokens: false },
}

/** Settings whose effect needs more than one request to observe, with the tests that do so. */
const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  connections: 'test/e2e/stale-connections.test.ts',
  http2: 'test/unit/outbound/negotiation.test.ts',
  listeners: 'test/e2e/route-listeners.test.ts',
  proxy: 'test/e2e/egress-proxy.test.ts',
  'proxy.password': 'test/e2e/egress-proxy.test.ts',
  'proxy.tls.ca': 'test/e2e/egress-proxy.test.ts',
  'proxy.url': 'test/e2e/egress-proxy.test.ts',
  'proxy.username': 'test/e2e/egress-proxy.test.ts',
  retry: 'test/e2e/stale-connections.test.ts',
  'timeouts.idle': 'test/e2e/timeouts.test.ts',
  'timeouts.response': 'test/e2e/timeouts.test.ts',
  'timeouts.token': 'test/e2e/token-failures.test.ts',
  'timeouts.upgraded': 'test/e2e/tunnel-lifetime.test.ts',
}

/** Settings with a separate test below. */
const TESTED_BELOW = [
  'allowPlaintext',
  'timeouts.connect',
  'tls.ca',
  'tls.client.certificate',
  'tls.client.key',
  'tls.minVersion',
  'tls.serverName',
]

test('every setting of a route has a probe or a test', () => {
  const tested = [...Object.keys(PROBES), ...Object.keys(TESTED_ELSEWHERE), ...TESTED_BELOW]
  expect(routeSettings().length).toBeGreaterThan(30)
  expect(routeSettings().toSorted()).toEqual(tested.toSorted())
})

test.for(Object.entries(TESTED_ELSEWHERE))('%s is set by a test in %s', ([setting, file]) => {
  expect(readFileSync(file, 'utf8')).toContain(`${setting.split('.').at(-1)}: `)
})

/** Header fields that differ between requests with the same settings. */
const VOLATILE: ReadonlySet<string> = new Set(['date', 'via', 'traceparent'])

function stableFields(fields: Iterable<readonly [string, unknown]>): unknown[] {
  return [...fields].filter(([name]) => !VOLATILE.has(name))
}

/** What the client, the API and the authorization server receive for one request. */
async function effectsOf(route: Lines, given: Circumstances): Promise<string> {
  const { method = 'GET', apiStatus = 200, issuesTokens = true } = given
  const received: unknown[] = []
  const api = await startServer((req, res) => {
    void text(req).then((body) => {
      received.push([req.method, req.url, stableFields(Object.entries(req.headers)), body])
      res.writeHead(apiStatus, {
        location: `${api}/v2/next`,
        'set-cookie': 'a=b; Domain=api.example; Path=/v2/x; Secure',
      })
      res.end()
    })
  })
  const endpoint = await startTokenEndpoint((_request, res) =>
    issuesTokens ? sendToken(res) : void res.writeHead(503).end(),
  )
  const config = {
    credentials: {
      corp: { tokenEndpoint: endpoint.url, clientId: 'app', auth: { method: 'none' } },
    },
    routes: [
      { name: 'all', match: { path: '/' }, upstream: 'API/v2', credential: 'corp', ...route },
    ],
  }
  const yaml = JSON.stringify(config).replaceAll('API', api).slice(1, -1)
  const sidecar = await startSidecar(asBlock(yaml))
  const response = await fetch(`${sidecar.proxyUrl}/orders/7`, {
    method,
    redirect: 'manual',
    body: method === 'POST' ? '0123456789' : null,
    headers: { 'x-debug': 'a', authorization: 'Basic eA==' },
  })
  const ready = await fetch(`${sidecar.adminUrl}/readyz`)
  const problem: unknown = response.status >= 400 ? await response.json().catch(() => '') : ''
  const effects = {
    status: response.status,
    problem,
    fields: stableFields(response.headers),
    received,
    forms: endpoint.requests.map(({ body }) => body),
    ready: ready.status,
    routes: (await sidecar.logs()).match(/"route":"[^"]*"/g),
  }
  return JSON.stringify(effects)
    .replaceAll(api, 'API')
    .replaceAll(new URL(api).host, 'API')
    .replaceAll(sidecar.proxyUrl, 'SIDECAR')
    .replaceAll(new URL(sidecar.proxyUrl).host, 'SIDECAR')
    .replaceAll(endpoint.url, 'ENDPOINT')
    .replaceAll(new URL(endpoint.url).host, 'ENDPOINT')
    .replaceAll(/"(?:requestId|instance|id)":"[^"]*"/g, '')
}

/** JSON without its outer braces, as lines of a YAML map. */
function asBlock(json: string): string {
  return json.replace('"credentials":', 'credentials: ').replace(',"routes":', '\nroutes: ')
}

test.for(Object.entries(PROBES))(
  '%s changes what the client, the API or the authorization server receives',
  async ([, { base, changed, ...given }]) => {
    const first = await effectsOf(base, given)
    expect(await effectsOf(base, given)).toBe(first)
    expect(await effectsOf({ ...base, ...changed }, given)).not.toBe(first)
  },
)

test.for([true, false])(
  'allowPlaintext: %s decides whether a token may be sent without TLS to another host',
  async (allowPlaintext) => {
    const corp = { issuer: 'https://a.example', clientId: 'app', auth: { method: 'none' } }
    const route = { credential: 'corp', allowPlaintext }
    const config = `credentials: ${JSON.stringify({ corp })}\n${routeTo('http://b.example', route)}`
    expect((await loadText(config)).ok).toBe(allowPlaintext)
  },
)

function routeTo(upstream: string, lines: Lines): string {
  const route = { name: 'all', match: { path: '/' }, upstream, credential: 'none', ...lines }
  return `routes: [${JSON.stringify(route)}]\n`
}

test('timeouts.connect limits the TLS handshake', async () => {
  const silent = createTcpServer()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  silent.on('connection', (socket) => {
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
  })
  const ended: string[] = []
  const requestWith = async (connect: string): Promise<unknown> => {
    const upstream = `https://127.0.0.1:${portOf(silent)}`
    const sidecar = await startSidecar(routeTo(upstream, { timeouts: { connect } }))
    const problem: unknown = await (await fetch(sidecar.proxyUrl)).json()
    ended.push(connect)
    return problem
  }
  // With the same limit for both, the request that was sent first would fail first.
  requestWith('2s').catch(() => {})
  expect(await requestWith('50ms')).toMatchObject({ code: 'upstream_timeout' })
  expect(ended).toEqual(['50ms'])
})

test('each setting of tls affects the connection to the API', async () => {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('api.example', ['api.example'])
  const client = await authority.issue('app', ['app.example'])
  const seen: unknown[] = []
  const server = createTlsServer(
    {
      cert: certificate,
      key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    },
    (req, res) => {
      if (req.socket instanceof TLSSocket) {
        seen.push([req.socket.servername, req.socket.getPeerX509Certificate()?.subject])
      }
      res.end()
    },
  )
  await startListening(server)
  const ca = { file: await fileWith(authority.certificate) }
  const pair = {
    certificate: { file: await fileWith(client.certificate) },
    key: { file: await fileWith(client.key) },
  }
  const statusWith = async (tls: Lines): Promise<number> => {
    const sidecar = await startSidecar(routeTo(`https://127.0.0.1:${portOf(server)}`, { tls }))
    return (await fetch(sidecar.proxyUrl)).status
  }
  expect(await statusWith({ ca })).toBe(502)
  expect(await statusWith({ serverName: 'api.example' })).toBe(502)
  expect(await statusWith({ ca, serverName: 'api.example', minVersion: 'TLSv1.3' })).toBe(502)
  expect(seen).toEqual([])
  expect(await statusWith({ ca, serverName: 'api.example' })).toBe(200)
  expect(await statusWith({ ca, serverName: 'api.example', client: pair })).toBe(200)
  expect(seen).toEqual([
    ['api.example', undefined],
    ['api.example', 'CN=app'],
  ])
})
