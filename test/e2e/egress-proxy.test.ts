import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { status } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createAuthority } from '../helpers/certificates.ts'
import { type EgressProxyOptions, startEgressProxy } from '../helpers/egress-proxy.ts'
import { createGrpcClient, startGrpcServer } from '../helpers/grpc.ts'
import { INTERCEPTED_TOKEN, openIntercepted, startIntercepting } from '../helpers/interception.ts'
import { metric } from '../helpers/metrics.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { follow, openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

/*
 * Upstreams have names that only the proxy of the test resolves, so that no request can succeed on a direct
 * connection.
 */

const TOKEN = 'token-canary-2718'

/** An https API at `api.invalid` that returns the token it received, and the CA that issued its certificate. */
async function startTlsApi() {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('api.invalid', ['api.invalid'])
  const server = createTlsServer({ cert: certificate, key }, (req, res) => {
    res.end(`${req.headers.host} ${req.headers.authorization}`)
  })
  await startListening(server)
  return {
    authority,
    server,
    host: `api.invalid:${portOf(server)}`,
    ca: await fileWith(authority.certificate),
  }
}

async function startTokens(): Promise<string> {
  const { url } = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: TOKEN }),
  )
  return url
}

type Lines = Readonly<Record<string, unknown>>

/** One route for all requests, with a token. */
async function startRoute(route: Lines, env: Readonly<Record<string, string>> = {}) {
  const config = {
    credentials: {
      corp: { tokenEndpoint: await startTokens(), clientId: 'app', auth: { method: 'none' } },
    },
    routes: [{ name: 'all', match: { path: '/' }, credential: 'corp', ...route }],
  }
  return await startSidecar(asYaml(config), env)
}

function asYaml(config: Lines): string {
  return Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('')
}

async function startTlsProxy(options: EgressProxyOptions = {}) {
  const authority = await createAuthority('authority of the proxy')
  const certificate = await authority.issue('localhost', ['localhost'])
  const proxy = await startEgressProxy({ ...options, certificate })
  return { proxy, ca: await fileWith(authority.certificate) }
}

test('a request to an https upstream uses a CONNECT tunnel, in which the proxy sees no token', async () => {
  const proxy = await startEgressProxy()
  const { host, ca } = await startTlsApi()
  const sidecar = await startRoute({
    upstream: `https://${host}`,
    tls: { ca: { file: ca } },
    proxy: proxy.url,
  })
  const response = await fetch(sidecar.proxyUrl)
  expect(await response.text()).toBe(`${host} Bearer ${TOKEN}`)
  expect(proxy.targets).toEqual([`CONNECT ${host}`])
  expect(proxy.headers).toEqual([{ host }])
  expect(proxy.tunnelled()).not.toContain(TOKEN)
  expect(proxy.tunnelled().length).toBeGreaterThan(100)
})

test('requests one after the other share one tunnel, and 50 MiB pass through it', async () => {
  const proxy = await startEgressProxy()
  const { host, ca, server } = await startTlsApi()
  const body = Buffer.alloc(50 * 1024 * 1024, 'x')
  server.removeAllListeners('request')
  server.on('request', (_req, res) => res.end(body))
  const sidecar = await startRoute({
    upstream: `https://${host}`,
    tls: { ca: { file: ca } },
    proxy: proxy.url,
  })
  for (let i = 0; i < 3; i += 1) {
    const received = await (await fetch(sidecar.proxyUrl)).arrayBuffer()
    expect(Buffer.from(received).equals(body)).toBe(true)
  }
  // The first connection verifies the end of responses, and may be replaced after five seconds.
  expect(proxy.targets).toEqual([`CONNECT ${host}`])
})

test('a request to an http upstream is sent in absolute-form, with the path and the query', async () => {
  const proxy = await startEgressProxy()
  const api = new URL(
    await startServer(
      (req, res) => void res.end(`${req.headers.host} ${req.headers.authorization}`),
    ),
  )
  const host = `api.invalid:${api.port}`
  const sidecar = await startRoute({
    upstream: `http://${host}/v2`,
    proxy: proxy.url,
    allowPlaintext: true,
  })
  const response = await fetch(`${sidecar.proxyUrl}/orders?a=b`)
  expect(await response.text()).toBe(`${host} Bearer ${TOKEN}`)
  expect(proxy.targets).toEqual([`GET http://${host}/v2/orders?a=b`])
  expect(proxy.headers[0]?.['proxy-authorization']).toBeUndefined()
})

test('a streamed POST in absolute-form arrives with its body', async () => {
  const proxy = await startEgressProxy()
  const api = new URL(await startServer((req, res) => void text(req).then((body) => res.end(body))))
  const sidecar = await startRoute({
    upstream: `http://api.invalid:${api.port}`,
    proxy: proxy.url,
    allowPlaintext: true,
  })
  const chunks = ['one ', 'two ', 'three']
  const response = await fetch(sidecar.proxyUrl, {
    method: 'POST',
    body: ReadableStream.from(chunks.map((chunk) => Buffer.from(chunk))),
    duplex: 'half',
  })
  expect(await response.text()).toBe('one two three')
})

test.for(['https', 'http'] as const)(
  'the user name and the password of the proxy authenticate requests to an %s upstream',
  async (scheme) => {
    const proxy = await startEgressProxy({ credentials: () => 'app:proxy-canary-314' })
    const { host, ca } = await startTlsApi()
    const api = new URL(await startServer((req, res) => void res.end(JSON.stringify(req.headers))))
    const sidecar = await startRoute({
      ...(scheme === 'https'
        ? { upstream: `https://${host}`, tls: { ca: { file: ca } } }
        : { upstream: `http://api.invalid:${api.port}`, allowPlaintext: true }),
      proxy: {
        url: proxy.url,
        username: 'app',
        password: { file: await fileWith('proxy-canary-314\n') },
      },
    })
    const response = await fetch(sidecar.proxyUrl)
    const body = await response.text()
    expect(response.status).toBe(200)
    expect(body).toContain(TOKEN)
    expect(body).not.toContain('proxy-authorization')
    expect(proxy.targets).toHaveLength(1)
  },
)

test('the user name of a proxy may be in a file or a variable as well', async () => {
  const proxy = await startEgressProxy({ credentials: () => 'from-file:from-env' })
  const { host, ca } = await startTlsApi()
  const sidecar = await startRoute(
    {
      upstream: `https://${host}`,
      tls: { ca: { file: ca } },
      proxy: {
        url: proxy.url,
        username: { file: await fileWith('from-file') },
        password: { env: 'PROXY_PASSWORD' },
      },
    },
    { PROXY_PASSWORD: 'from-env' },
  )
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
})

test.for(['https', 'http'] as const)(
  'an https proxy is used for an %s upstream if "tls.ca" of the proxy trusts it',
  async (scheme) => {
    const { proxy, ca: proxyCa } = await startTlsProxy({ credentials: () => 'app:secret' })
    const { host, ca } = await startTlsApi()
    const api = new URL(await startServer((req, res) => void res.end(req.headers.authorization)))
    const sidecar = await startRoute({
      ...(scheme === 'https'
        ? { upstream: `https://${host}`, tls: { ca: { file: ca } } }
        : { upstream: `http://api.invalid:${api.port}`, allowPlaintext: true }),
      proxy: {
        url: proxy.url,
        username: 'app',
        password: { file: await fileWith('secret') },
        tls: { ca: { file: proxyCa } },
      },
    })
    for (let i = 0; i < 3; i += 1) {
      const response = await fetch(sidecar.proxyUrl)
      expect(await response.text()).toContain(`Bearer ${TOKEN}`)
    }
    expect(proxy.targets[0]).toMatch(scheme === 'https' ? /^CONNECT / : /^GET http:/)
  },
)

const echo = (req: Readable, res: Writable): void => void req.pipe(res)

test.for([
  { what: 'HTTP/1.1 over TLS', scheme: 'https', http2: 'never' },
  { what: 'HTTP/2 over TLS', scheme: 'https', http2: 'always' },
  { what: 'HTTP/1.1', scheme: 'http', http2: 'never' },
])('a body of 20 MiB is sent and returned through an https proxy by $what', async (given) => {
  const { proxy, ca } = await startTlsProxy()
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('api.invalid', ['api.invalid'])
  const server =
    given.scheme === 'http'
      ? createServer(echo)
      : createSecureServer({ cert: certificate, key, allowHTTP1: true }, echo)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const sidecar = await startRoute({
    upstream: `${given.scheme}://api.invalid:${portOf(server)}`,
    ...(given.scheme === 'https'
      ? { http2: given.http2, tls: { ca: { file: await fileWith(authority.certificate) } } }
      : { allowPlaintext: true }),
    proxy: { url: proxy.url, tls: { ca: { file: ca } } },
  })
  const body = randomBytes(20 * 1024 * 1024)
  const response = await fetch(sidecar.proxyUrl, { method: 'POST', body })
  expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true)
  expect(proxy.targets).toHaveLength(1)
  await sidecar.close()
})

test('the CA of an upstream is not trusted for the proxy', async () => {
  const { proxy, ca } = await startTlsProxy()
  const { host } = await startTlsApi()
  const sidecar = await startRoute({
    upstream: `https://${host}`,
    tls: { ca: { file: ca } },
    proxy: proxy.url,
  })
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'upstream_proxy',
    detail: `Cannot reach "https://${host}": TLS connection to the proxy "${proxy.name}" failed: certificate signed by an unknown authority`,
  })
})

test.for(['http', 'https'] as const)('HTTP/2 is negotiated through an %s proxy', async (scheme) => {
  const { proxy, ca: proxyCa } =
    scheme === 'https' ? await startTlsProxy() : { proxy: await startEgressProxy(), ca: undefined }
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('api.invalid', ['api.invalid'])
  const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (req, res) => {
    res.end(`${req.httpVersion} ${req.headers.authorization}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const sidecar = await startRoute({
    upstream: `https://api.invalid:${portOf(server)}`,
    tls: { ca: { file: await fileWith(authority.certificate) } },
    proxy: {
      url: proxy.url,
      ...(proxyCa !== undefined && { tls: { ca: { file: proxyCa } } }),
    },
  })
  const responses = await Promise.all(
    Array.from({ length: 20 }, async () => await (await fetch(sidecar.proxyUrl)).text()),
  )
  expect(new Set(responses)).toEqual(new Set([`2.0 Bearer ${TOKEN}`]))
  expect(proxy.targets).toEqual([`CONNECT api.invalid:${portOf(server)}`])
  await sidecar.close()
})

test('gRPC over cleartext HTTP/2 uses a CONNECT tunnel, in which the upstream may send first', async () => {
  const proxy = await startEgressProxy({ coalesces: true })
  const server = await startGrpcServer()
  const { port } = new URL(server.url)
  const sidecar = await startRoute({
    upstream: `http://grpc.invalid:${port}`,
    http2: 'always',
    proxy: proxy.url,
    allowPlaintext: true,
  })
  const outcome = await createGrpcClient(sidecar.proxyUrl).unary('hello')
  expect(outcome).toMatchObject({ code: status.OK, messages: ['hello'] })
  expect(server.calls[0]?.get('authorization')).toEqual([`Bearer ${TOKEN}`])
  expect(proxy.targets).toEqual([`CONNECT grpc.invalid:${port}`])
})

test.for(['https', 'http'] as const)(
  'a WebSocket to an %s upstream uses a CONNECT tunnel',
  async (scheme) => {
    const proxy = await startEgressProxy()
    const authority = await createAuthority()
    const { certificate, key } = await authority.issue('api.invalid', ['api.invalid'])
    const server = scheme === 'https' ? createTlsServer({ cert: certificate, key }) : createServer()
    const handshakes: unknown[] = []
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket, req) => {
      handshakes.push(req.headers.authorization)
      socket.on('message', (message) => socket.send(message))
    })
    onTestFinished(() => {
      for (const client of sockets.clients) client.terminate()
    })
    await startListening(server)
    const sidecar = await startRoute({
      upstream: `${scheme}://api.invalid:${portOf(server)}`,
      proxy: proxy.url,
      ...(scheme === 'https'
        ? { tls: { ca: { file: await fileWith(authority.certificate) } } }
        : { allowPlaintext: true }),
    })
    const socket = new WebSocket(sidecar.proxyUrl.replace('http:', 'ws:'))
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')
    socket.send('hello')
    const [message] = await once(socket, 'message')
    expect(String(message)).toBe('hello')
    expect(handshakes).toEqual([`Bearer ${TOKEN}`])
    expect(proxy.targets).toEqual([`CONNECT api.invalid:${portOf(server)}`])
  },
)

test('routes to one upstream through different proxies do not share connections', async () => {
  const proxies = [await startEgressProxy(), await startEgressProxy()]
  const { host, ca } = await startTlsApi()
  const sidecar = await startSidecar(
    asYaml({
      routes: proxies.map(({ url }, index) => ({
        name: `route-${index}`,
        match: { path: `/${index}` },
        upstream: `https://${host}`,
        credential: 'none',
        tls: { ca: { file: ca } },
        proxy: url,
      })),
    }),
  )
  for (const path of ['/0', '/1', '/0', '/1']) {
    expect((await fetch(sidecar.proxyUrl + path)).status).toBe(200)
  }
  expect(proxies.map(({ targets }) => targets)).toEqual([[`CONNECT ${host}`], [`CONNECT ${host}`]])
})

test('"proxy: none" of a route overrides the default', async () => {
  const proxy = await startEgressProxy()
  const api = await startServer((_req, res) => void res.end('direct'))
  const sidecar = await startSidecar(
    asYaml({
      defaults: { routes: { proxy: proxy.url } },
      routes: [
        { name: 'all', match: { path: '/' }, upstream: api, credential: 'none', proxy: 'none' },
      ],
    }),
  )
  expect(await (await fetch(sidecar.proxyUrl)).text()).toBe('direct')
  expect(proxy.targets).toEqual([])
})

test('HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment have no effect on routes', async () => {
  const proxy = await startEgressProxy()
  const ignored = await startEgressProxy()
  const { host, ca } = await startTlsApi()
  const api = await startServer((_req, res) => void res.end('direct'))
  const sidecar = await startSidecar(
    asYaml({
      routes: [
        {
          name: 'proxied',
          match: { path: '/proxied' },
          upstream: `https://${host}`,
          credential: 'none',
          tls: { ca: { file: ca } },
          proxy: proxy.url,
        },
        { name: 'direct', match: { path: '/direct' }, upstream: api, credential: 'none' },
      ],
    }),
    { HTTP_PROXY: ignored.url, HTTPS_PROXY: ignored.url, ALL_PROXY: ignored.url, NO_PROXY: '*' },
  )
  expect((await fetch(`${sidecar.proxyUrl}/proxied`)).status).toBe(200)
  expect(await (await fetch(`${sidecar.proxyUrl}/direct`)).text()).toBe('direct')
  expect(proxy.targets).toEqual([`CONNECT ${host}`])
  expect(ignored.targets).toEqual([])
})

const FORWARD_ROUTE = {
  name: 'unused',
  match: { path: '/unused' },
  upstream: 'https://unused.invalid',
  credential: 'none',
}

test('"forward.proxy" carries requests of the application for hosts without a route', async () => {
  const { proxy, ca } = await startTlsProxy({ credentials: () => 'app:secret' })
  const api = new URL(await startServer((req, res) => void res.end(req.headers.host)))
  const sidecar = await startSidecar(
    asYaml({
      forward: {
        mode: 'pass',
        proxy: {
          url: proxy.url,
          username: 'app',
          password: { value: 'secret' },
          tls: { ca: { file: ca } },
        },
      },
      routes: [FORWARD_ROUTE],
    }),
  )
  const target = `http://other.invalid:${api.port}/x?y=z`
  const response = await exchangeRaw(
    sidecar.proxyUrl,
    `GET ${target} HTTP/1.1\r\nHost: other.invalid:${api.port}\r\nConnection: close\r\nProxy-Authorization: Basic b3duOm93bg==\r\n\r\n`,
  )
  expect(response).toMatch(/^HTTP\/1.1 200 /)
  expect(response).toContain(`other.invalid:${api.port}`)
  expect(proxy.targets).toEqual([`GET ${target}`])
})

test('"forward.proxy" carries tunnels of the application, and half-closes them', async () => {
  const proxy = await startEgressProxy({ credentials: () => 'app:secret', early: 'early ' })
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    const { received } = follow(socket)
    socket.on('end', () => socket.end(`received ${received()}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const sidecar = await startSidecar(
    asYaml({
      forward: {
        mode: 'pass',
        proxy: { url: proxy.url, username: 'app', password: { value: 'secret' } },
      },
      routes: [FORWARD_ROUTE],
    }),
  )
  const authority = `other.invalid:${portOf(server)}`
  const client = await openRaw(
    sidecar.proxyUrl,
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
  )
  await client.sees('early ')
  client.socket.end('hello')
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/^HTTP\/1.1 200 /)
  expect(client.received()).toContain('early received hello')
  expect(proxy.targets).toEqual([`CONNECT ${authority}`])
  const labels = { route: '(pass)' }
  expect(await metric(sidecar, 'token_sidecar_tunnels_opened_total', labels)).toBe(1)
})

test('a tunnel that the proxy of "forward" refuses fails with 502', async () => {
  const proxy = await startEgressProxy({
    onConnect: (socket) => void socket.end('HTTP/1.1 403 No\r\n\r\n'),
  })
  const sidecar = await startSidecar(
    asYaml({ forward: { mode: 'pass', proxy: proxy.url }, routes: [FORWARD_ROUTE] }),
  )
  const response = await exchangeRaw(
    sidecar.proxyUrl,
    'CONNECT other.invalid:443 HTTP/1.1\r\nHost: other.invalid:443\r\n\r\n',
  )
  expect(response).toMatch(/^HTTP\/1.1 502 /)
  expect(response).toContain('upstream_proxy')
  expect(response).toContain(`the proxy \\"${proxy.name}\\" refuses the connection`)
})

test('an intercepted request of an application uses the proxy of its route, and HTTP/2 is negotiated through it', async () => {
  const proxy = await startEgressProxy({ credentials: () => 'app:secret' })
  const authority = await createAuthority('authority of the API')
  const { certificate, key } = await authority.issue('api.invalid', ['api.invalid'])
  const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (req, res) => {
    res.end(`${req.httpVersion} ${req.headers.authorization}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const ca = await fileWith(authority.certificate)
  const password = await fileWith('secret')
  const sidecar = await startIntercepting([
    {
      host: 'api.invalid',
      upstream: `https://api.invalid:${portOf(server)}`,
      settings: `tls: { ca: { file: '${ca}' } }, proxy: { url: '${proxy.url}', username: app, password: { file: '${password}' } }`,
    },
  ])
  const socket = await openIntercepted(sidecar, 'api.invalid:443', {
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  expect(socket.alpnProtocol).toBe('h2')
  const session = connectHttp2('https://api.invalid', { createConnection: () => socket })
  onTestFinished(() => session.destroy())
  expect(await text(session.request({ ':path': '/' }))).toBe(`2.0 Bearer ${INTERCEPTED_TOKEN}`)
  expect(new Set(proxy.targets)).toEqual(new Set([`CONNECT api.invalid:${portOf(server)}`]))
  session.close()
  await sidecar.close()
})
