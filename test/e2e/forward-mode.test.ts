import { type IncomingMessage, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { metric } from '../helpers/metrics.ts'
import { openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { handshake, startSwitchingServer, SWITCHING } from '../helpers/switching-server.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** Responds with its name and the request that it received. */
function echo(name: string): RequestListener {
  return ({ method, url, headers }, res) => {
    res.end(JSON.stringify({ name, method, url, headers }))
  }
}

type Received = Pick<IncomingMessage, 'method' | 'url' | 'headers'> & { readonly name: string }

/** Sends a request in absolute form (RFC 9112 section 3.2.2). */
async function send(
  { proxyUrl }: RunningSidecar,
  target: string,
  headers: readonly string[] = [],
): Promise<{ status: number; response: string; received: Received }> {
  const { host } = new URL(target)
  const lines = [`GET ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers, '', '']
  const response = await exchangeRaw(proxyUrl, lines.join('\r\n'))
  const body = response.slice(response.indexOf('\r\n\r\n') + 4)
  return { status: Number(response.slice(9, 12)), response, received: JSON.parse(body) }
}

type Given = {
  readonly upstream: string
  readonly forward?: 'deny' | 'pass'
  readonly match?: string
  /** Further settings of the route. */
  readonly route?: string
}

async function startForward(given: Given): Promise<RunningSidecar> {
  const { upstream, forward = 'deny', match = 'host: api.example.com', route = '' } = given
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN' }),
  )
  return await startSidecar(`
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: app
    auth: { clientSecret: { value: s } }
routes:
  - name: api
    match: { ${match} }
    upstream: ${upstream}
    credential: corp
    ${route}
forward: ${forward}
`)
}

test.for([
  { match: 'host: api.example.com', target: 'http://api.example.com/orders?a=1' },
  { match: 'host: API.example.com', target: 'http://Api.Example.COM./orders?a=1' },
  { match: 'host: api.example.com', target: 'http://api.example.com:8080/orders?a=1' },
  { match: 'host: api.example.com', target: 'http://api.example.com:80/orders?a=1' },
  { match: "host: '*.example.com'", target: 'http://a.b.example.com/orders?a=1' },
  { match: 'host: api.example.com, path: /v1', target: 'http://api.example.com/v1/orders?a=1' },
])(
  'a proxy request for $target matches the route for $match, with its token',
  async ({ match, target }) => {
    const upstream = await startServer(echo('api'))
    const sidecar = await startForward({ upstream, match })
    const { status, received } = await send(sidecar, target)
    expect(status).toBe(200)
    expect(received).toMatchObject({
      name: 'api',
      url: '/orders?a=1',
      headers: { host: upstream.slice('http://'.length), authorization: 'Bearer TOKEN' },
    })
  },
)

test.for([
  { match: 'host: api.example.com', target: 'http://example.com/' },
  { match: "host: '*.example.com'", target: 'http://example.com/' },
  { match: 'host: api.example.com, path: /v1', target: 'http://api.example.com/v2' },
  { match: 'host: api.example.com', target: 'https://other.example.com/' },
  { match: 'path: /', target: 'http://api.example.com/' },
  { match: 'path: /', target: 'http://169.254.169.254/latest/' },
])(
  'a proxy request for $target is denied if the only route is for $match',
  async ({ match, target }) => {
    const upstream = await startServer(echo('api'))
    const sidecar = await startForward({ upstream, match })
    const { status, received } = await send(sidecar, target)
    expect(status).toBe(403)
    expect(received).toMatchObject({ code: 'egress_denied' })
  },
)

test("a proxy request for the sidecar's own address matches routes by path", async () => {
  const upstream = await startServer(echo('api'))
  const sidecar = await startForward({ upstream, match: 'path: /orders' })
  const { port } = new URL(sidecar.proxyUrl)
  for (const host of ['127.0.0.1', 'localhost']) {
    const { status, received } = await send(sidecar, `http://${host}:${port}/orders/7`)
    expect(status).toBe(200)
    expect(received).toMatchObject({ url: '/7', headers: { authorization: 'Bearer TOKEN' } })
  }
  const { status } = await send(sidecar, 'http://localhost:1/orders/7')
  expect(status).toBe(403)
})

test('a proxy request for an http target is sent over https if the upstream of the route is https', async () => {
  const { origin, ca } = await startTls()
  const sidecar = await startForward({ upstream: origin, route: `tls: { ca: { file: ${ca} } }` })
  const { status, received } = await send(sidecar, 'http://api.example.com/orders')
  expect(status).toBe(200)
  expect(received).toMatchObject({
    name: 'tls',
    headers: { host: origin.slice('https://'.length), authorization: 'Bearer TOKEN' },
  })
})

/** A TLS server, and the file with its CA certificate. */
async function startTls() {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('localhost', ['localhost'])
  const server = createServer({ cert: certificate, key }, echo('tls'))
  await startListening(server)
  const ca = join(await temporaryDirectory(), 'ca.pem')
  await writeFile(ca, authority.certificate)
  return { origin: `https://localhost:${portOf(server)}`, ca }
}

test('with forward: pass, a request for another host is forwarded without a token', async () => {
  const upstream = await startServer(echo('api'))
  const other = await startServer(echo('other'))
  const sidecar = await startForward({ upstream, forward: 'pass' })
  const { status, received } = await send(sidecar, `${other}/any/path?a=%20`, [
    'Authorization: Basic mine',
    'Proxy-Authorization: Basic for-the-proxy',
    'Proxy-Connection: keep-alive',
  ])
  expect(status).toBe(200)
  expect(received).toEqual({
    name: 'other',
    method: 'GET',
    url: '/any/path?a=%20',
    headers: {
      host: other.slice('http://'.length),
      authorization: 'Basic mine',
      connection: 'keep-alive',
      via: '1.1 token-sidecar',
    },
  })
  const labels = { route: '(pass)', method: 'GET', status: '2xx' }
  expect(await metric(sidecar, 'token_sidecar_requests_total', labels)).toBe(1)
  expect(await sidecar.logs()).toContain('"route":"(pass)"')
})

test('a proxy request for a host of a route gets its token with every value of forward', async () => {
  const upstream = await startServer(echo('api'))
  const sidecar = await startForward({ upstream, forward: 'pass' })
  const { received } = await send(sidecar, 'http://api.example.com/', ['Authorization: Basic mine'])
  expect(received).toMatchObject({ name: 'api', headers: { authorization: 'Bearer TOKEN' } })
})

test('a proxy request for another host does not match a route by path', async () => {
  const upstream = await startServer(echo('api'))
  const other = await startServer(echo('other'))
  const sidecar = await startForward({ upstream, forward: 'pass', match: 'path: /orders' })
  const { received } = await send(sidecar, `${other}/orders`)
  expect(received.name).toBe('other')
  expect(received.headers).not.toHaveProperty('authorization')
})

test('a proxy request for an https target is sent over https', async () => {
  const { origin } = await startTls()
  const sidecar = await startForward({ upstream: 'http://127.0.0.1:1', forward: 'pass' })
  const { status, received } = await send(sidecar, origin)
  // Pass-through requests trust only the default CAs, which do not include that of the test.
  expect(status).toBe(502)
  expect(received).toMatchObject({ code: 'upstream_tls', route: '(pass)' })
  const report: unknown = await (await fetch(`${sidecar.adminUrl}/status`)).json()
  expect(report).toMatchObject({
    failures: [{ route: '(pass)', advice: expect.stringContaining('add a route for its host') }],
  })
})

test('with forward: pass, an upgrade request is forwarded', async () => {
  const { origin, handshakes } = await startSwitchingServer((socket) => {
    socket.write(`${SWITCHING}welcome`)
    socket.pipe(socket)
  })
  const sidecar = await startForward({ upstream: 'http://127.0.0.1:1', forward: 'pass' })
  const request = handshake(`${origin}/live`).replace('localhost', origin.slice('http://'.length))
  const client = await openRaw(sidecar.proxyUrl, request)
  await client.sees('welcome')
  client.socket.write('echo')
  await client.sees('echo')
  expect(handshakes[0]?.url).toBe('/live')
  expect(await metric(sidecar, 'token_sidecar_tunnels_open', { route: '(pass)' })).toBe(1)
})

test.for(['http://127.0.0.1:99999/', 'http://[::::]/', 'http://a%zz/', 'http://256.256.256.256/'])(
  'an invalid target is rejected: %s',
  async (target) => {
    const sidecar = await startForward({ upstream: 'http://127.0.0.1:1', forward: 'pass' })
    const host = target.slice('http://'.length, -1)
    const response = await exchangeRaw(
      sidecar.proxyUrl,
      `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    )
    expect(response).toMatch(/^HTTP\/1\.1 400 /)
    expect(response).toContain('"code":"request_invalid"')
  },
)

test('connection pools of forwarded origins are limited, and requests in flight on the oldest complete', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = false
  const slow = await startServer((_req, res) => {
    arrived = true
    void gate.promise.then(() => res.end('"finished"'))
  })
  const idle = new Set<string>()
  let maxIdle = 0
  const others = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const server = await startServer((req, res) => {
        const { host = '' } = req.headers
        idle.add(host)
        maxIdle = Math.max(maxIdle, idle.size)
        req.socket.once('close', () => idle.delete(host))
        res.end('"ok"')
      })
      return server
    }),
  )
  const sidecar = await startForward({ upstream: 'http://127.0.0.1:1', forward: 'pass' })
  const running = send(sidecar, slow)
  await until(() => arrived)
  for (const other of others) expect((await send(sidecar, other)).status).toBe(200)
  // Connections of evicted pools are closed at once, those of the others after the idle timeout.
  expect(maxIdle).toBeLessThan(75)
  gate.resolve()
  expect(await running).toMatchObject({ status: 200, received: 'finished' })
  expect((await send(sidecar, slow)).status).toBe(200)
})

test('pipelined requests for more origins than the limit of pools all get responses', async () => {
  const origins = await Promise.all(
    Array.from({ length: 70 }, async () => await startServer((_req, res) => void res.end('ok'))),
  )
  const sidecar = await startForward({ upstream: 'http://127.0.0.1:1', forward: 'pass' })
  const requests = origins.map(
    (origin) => `GET ${origin}/ HTTP/1.1\r\nHost: ${origin.slice('http://'.length)}\r\n\r\n`,
  )
  const responses = await exchangeRaw(
    sidecar.proxyUrl,
    requests.join(''),
    (received) => received.match(/HTTP\/1\.1 \d+/g)?.length === 70,
  )
  expect(responses.match(/HTTP\/1\.1 200 /g)).toHaveLength(70)
})
