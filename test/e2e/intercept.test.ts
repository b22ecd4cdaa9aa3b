import { once } from 'node:events'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { status } from '@grpc/grpc-js'
import { ProxyAgent, request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createAuthority } from '../helpers/certificates.ts'
import { createProxiedGrpcClient, startGrpcServer } from '../helpers/grpc.ts'
import { run } from '../helpers/http-clients.ts'
import { startHttp2Server } from '../helpers/http2-upstream.ts'
import {
  INTERCEPTED_TOKEN,
  openIntercepted,
  openTunnelTo,
  startIntercepting,
  type InterceptingSidecar,
} from '../helpers/interception.ts'
import { metric } from '../helpers/metrics.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { follow } from '../helpers/raw-connection.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n'
const BEARER = `Bearer ${INTERCEPTED_TOKEN}`

/** An upstream that responds with the header fields that it has received. */
async function startEcho(): Promise<string> {
  return await startServer((req, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ url: req.url, ...req.headers }))
  })
}

async function startForApi(upstream: string, settings = ''): Promise<InterceptingSidecar> {
  return await startIntercepting([{ host: 'api.test', upstream, settings }])
}

function proxyAgent({ proxyUrl, authority }: InterceptingSidecar): ProxyAgent {
  const agent = new ProxyAgent({ uri: proxyUrl, requestTls: { ca: authority.certificate } })
  onTestFinished(async () => await agent.destroy())
  return agent
}

const handshakes = async (
  sidecar: Pick<InterceptingSidecar, 'adminUrl'>,
  outcome: string,
): Promise<number | undefined> =>
  await metric(sidecar, 'token_sidecar_intercept_handshakes_total', { host: 'api.test', outcome })

test('an https request to the host of a route is served by the route, with its token', async () => {
  const sidecar = await startForApi(await startEcho())
  const dispatcher = proxyAgent(sidecar)
  const { statusCode, body } = await request('https://api.test/orders?a=1', { dispatcher })
  expect(statusCode).toBe(200)
  expect(await body.json()).toMatchObject({ url: '/orders?a=1', authorization: BEARER })
  expect(await handshakes(sidecar, 'ok')).toBe(1)
  const requests = async (mode: string): Promise<number | undefined> =>
    await metric(sidecar, 'token_sidecar_inbound_requests_total', { mode, protocol: 'http/1.1' })
  expect(await requests('intercepted')).toBe(1)
  expect(await requests('http_proxy')).toBe(0)
  const logs = await sidecar.logs()
  expect(logs).toContain('"mode":"intercepted"')
  expect(logs).not.toContain('CONNECT')
})

test('several requests on an intercepted connection need one handshake, pipelined ones as well', async () => {
  const sidecar = await startForApi(await startEcho())
  const socket = await openIntercepted(sidecar, 'api.test:443')
  const client = follow(socket)
  socket.write('GET /first HTTP/1.1\r\nHost: api.test\r\n\r\n'.repeat(2))
  await until(() => client.received().split('"/first"').length === 3)
  socket.write('GET /last HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n')
  await client.sees('"/last"')
  expect(await client.ended).toBe('end')
  expect(await handshakes(sidecar, 'ok')).toBe(1)
})

test('a TLS handshake that begins in the packet of the CONNECT request is served', async () => {
  const sidecar = await startForApi(await startEcho())
  const { port } = new URL(sidecar.proxyUrl)
  const outer = connectTcp(Number(port), '127.0.0.1')
  onTestFinished(() => void outer.destroy())
  // The ClientHello is captured, to be sent together with the head of CONNECT.
  const hello = Promise.withResolvers<Buffer>()
  let isFirst = true
  const transport = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      if (isFirst) hello.resolve(chunk)
      else outer.write(chunk)
      isFirst = false
      callback()
    },
  })
  const socket = connectTls({
    socket: transport,
    servername: 'api.test',
    ca: sidecar.authority.certificate,
  })
  const head = 'CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n'
  outer.write(Buffer.concat([Buffer.from(head), await hello.promise]))
  let established = ''
  outer.on('data', (chunk: Buffer) => {
    const skipped = Math.max(0, ESTABLISHED.length - established.length)
    established += chunk.toString('latin1', 0, skipped)
    if (chunk.length > skipped) transport.push(chunk.subarray(skipped))
  })
  await once(socket, 'secureConnect')
  const client = follow(socket)
  socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await client.sees(BEARER)
  expect(established).toBe(ESTABLISHED)
})

test('HTTP/2 is negotiated with a client where the upstream always speaks it', async () => {
  const upstream = await startHttp2Server((stream, headers) => {
    stream.respond({ ':status': 200 })
    stream.end(String(headers['authorization']))
  })
  const sidecar = await startForApi(upstream.origin, 'http2: always')
  const socket = await openIntercepted(sidecar, 'api.test:443', {
    ALPNProtocols: ['http/1.1', 'h2'],
  })
  expect(socket.alpnProtocol).toBe('h2')
  const session = connectHttp2('https://api.test', { createConnection: () => socket })
  expect(await text(session.request({ ':path': '/' }))).toBe(BEARER)
  expect(await handshakes(sidecar, 'ok')).toBe(1)
  expect(
    await metric(sidecar, 'token_sidecar_inbound_requests_total', {
      mode: 'intercepted',
      protocol: 'h2',
    }),
  ).toBe(1)
  session.close()
  await once(session, 'close')
})

test.for([
  { offered: ['h2', 'http/1.1'], upstream: 'h2', negotiated: 'h2' },
  { offered: ['h2', 'http/1.1'], upstream: 'http/1.1', negotiated: 'http/1.1' },
  { offered: ['http/1.1'], upstream: 'h2', negotiated: 'http/1.1' },
  { offered: undefined, upstream: 'h2', negotiated: false },
])(
  'a client that offers $offered gets $negotiated where the upstream negotiates $upstream',
  async ({ offered, upstream, negotiated }) => {
    const authority = await createAuthority()
    const { certificate, key } = await authority.issue('localhost', ['localhost'])
    const tls = { cert: certificate, key }
    const server = upstream === 'h2' ? createSecureServer(tls) : createHttpsServer(tls)
    server.on('request', (_req: unknown, res: ServerResponse) => void res.end('served'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const ca = await fileWith(authority.certificate)
    const sidecar = await startForApi(
      `https://localhost:${portOf(server)}`,
      `http2: auto, tls: { ca: { file: '${ca}' } }`,
    )
    for (const _ of ['found by connecting', 'remembered']) {
      const socket = await openIntercepted(sidecar, 'api.test:443', {
        ...(offered !== undefined && { ALPNProtocols: offered }),
      })
      expect(socket.alpnProtocol).toBe(negotiated)
    }
    // The connection that found it out is used.
    const { body } = await request('https://api.test/', { dispatcher: proxyAgent(sidecar) })
    expect(await body.text()).toBe('served')
    expect(await metric(sidecar, 'token_sidecar_upstream_connections', {})).toBe(1)
  },
)

test('HTTP/2 is not offered where a route says never, and no connection is opened to find out', async () => {
  const sidecar = await startForApi('https://127.0.0.1:1', 'http2: never')
  const socket = await openIntercepted(sidecar, 'api.test:443', {
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  expect(socket.alpnProtocol).toBe('http/1.1')
})

test('the failure of an unreachable upstream is reported inside of the intercepted connection', async () => {
  const sidecar = await startForApi('https://127.0.0.1:1', 'http2: auto')
  const { statusCode, body } = await request('https://api.test/', {
    dispatcher: proxyAgent(sidecar),
  })
  expect(statusCode).toBe(502)
  expect(await body.json()).toMatchObject({ code: 'upstream_unreachable', route: 'route-0' })
})

test('gRPC calls of all types go through an intercepted connection', async () => {
  const server = await startGrpcServer((authorization) => authorization === BEARER)
  const sidecar = await startForApi(server.url, 'http2: always')
  const client = createProxiedGrpcClient(
    sidecar.proxyUrl,
    'api.test',
    sidecar.authority.certificate,
  )
  const ok = { code: status.OK }
  expect(await client.unary('hello')).toMatchObject({ ...ok, messages: ['hello'] })
  expect(await client.stream('Collect', ['a', 'b'])).toMatchObject({ ...ok, messages: ['ab'] })
  expect(await client.stream('Repeat', ['x'])).toMatchObject({ ...ok, messages: ['x', 'x', 'x'] })
  expect(await client.stream('Chat', ['a', 'b'])).toMatchObject({ ...ok, messages: ['a', 'b'] })
  expect(await handshakes(sidecar, 'ok')).toBe(1)
})

test('a WebSocket inside of an intercepted connection is opened with the token', async () => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  const authorizations: unknown[] = []
  sockets.on('connection', (socket, { headers }) => {
    authorizations.push(headers.authorization)
    socket.on('message', (data) => socket.send(data))
  })
  const sidecar = await startForApi(await startListening(server))
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate()
  })
  const socket = await openIntercepted(sidecar, 'api.test:443', { ALPNProtocols: ['http/1.1'] })
  const client = new WebSocket('wss://api.test/', { createConnection: () => socket })
  onTestFinished(() => client.terminate())
  await once(client, 'open')
  client.send('over TLS')
  const [message]: Buffer[] = await once(client, 'message')
  expect(message?.toString()).toBe('over TLS')
  expect(authorizations).toEqual([BEARER])
  client.close()
  await once(client, 'close')
})

test('a large upload, 100 (Continue) and a trailer section pass through an intercepted connection', async () => {
  const upstream = await startServer((req, res) => {
    let received = 0
    req.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    req.on('end', () => {
      res.writeHead(200, { trailer: 'x-received' })
      res.write('body')
      res.addTrailers({ 'x-received': String(received) })
      res.end()
    })
  })
  const sidecar = await startForApi(upstream)
  const socket = await openIntercepted(sidecar, 'api.test:443')
  const client = follow(socket)
  const size = 8 * 1024 ** 2
  socket.write(
    `POST / HTTP/1.1\r\nHost: api.test\r\nTE: trailers\r\nConnection: TE\r\nExpect: 100-continue\r\nContent-Length: ${size}\r\n\r\n`,
  )
  await client.sees('HTTP/1.1 100 Continue')
  socket.write(Buffer.alloc(size))
  await client.sees(`x-received: ${size}`)
  expect(client.received()).toContain('HTTP/1.1 200 OK')
})

test('CONNECT over HTTP/2 is intercepted, and several connections share the session', async () => {
  const sidecar = await startForApi(await startEcho())
  const session = connectHttp2(sidecar.proxyUrl)
  onTestFinished(() => session.destroy())
  const responses = ['/one', '/two'].map(async (path) => {
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'api.test:443' })
    const [headers] = await once(stream, 'response')
    expect(headers).toMatchObject({ ':status': 200 })
    const socket = connectTls({
      socket: stream,
      servername: 'api.test',
      ca: sidecar.authority.certificate,
    })
    const client = follow(socket)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n`)
    await client.sees(BEARER)
    expect(await client.ended).toBe('end')
    return client.received()
  })
  const [one, two] = await Promise.all(responses)
  expect(one).toContain('"/one"')
  expect(two).toContain('"/two"')
  expect(await handshakes(sidecar, 'ok')).toBe(2)
})

test('CONNECT to a listener on a Unix socket is intercepted', async () => {
  const path = `${await temporaryDirectory()}/app.sock`
  const sidecar = await startIntercepting(
    [{ host: 'api.test', upstream: await startEcho() }],
    '',
    `unix:${path}`,
  )
  const outer = connectTcp(path)
  onTestFinished(() => void outer.destroy())
  outer.write('CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n')
  await once(outer, 'data')
  const socket = connectTls({
    socket: outer,
    servername: 'api.test',
    ca: sidecar.authority.certificate,
  })
  const client = follow(socket)
  socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await client.sees(BEARER)
  expect(
    await metric(sidecar, 'token_sidecar_inbound_requests_total', {
      mode: 'intercepted',
      protocol: 'http/1.1',
    }),
  ).toBe(1)
})

test('references and cookies of the upstream are those of the host that the application calls', async () => {
  const origin = await startServer((_req, res) => {
    res.writeHead(302, {
      location: `${origin}/next`,
      'set-cookie': 'a=b; Secure; HttpOnly; Domain=api.test; Path=/',
    })
    res.end()
  })
  const sidecar = await startForApi(origin)
  const { headers } = await request('https://api.test/', { dispatcher: proxyAgent(sidecar) })
  expect(headers['location']).toBe('https://api.test/next')
  expect(headers['set-cookie']).toBe('a=b; Secure; HttpOnly; Domain=api.test; Path=/')
})

test('Forwarded says that the application used https, and the address of its connection', async () => {
  const sidecar = await startForApi(await startEcho(), 'forwarded: both')
  const { body } = await request('https://api.test/', { dispatcher: proxyAgent(sidecar) })
  expect(await body.json()).toMatchObject({
    forwarded: 'for=127.0.0.1;host="api.test";proto=https',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'api.test',
    'x-forwarded-for': '127.0.0.1',
  })
})

test('an idle intercepted connection is closed at the keep-alive timeout', async () => {
  const sidecar = await startIntercepting(
    [{ host: 'api.test', upstream: await startEcho() }],
    'limits: { keepAlive: 100ms }',
  )
  const client = follow(await openIntercepted(sidecar, 'api.test:443'))
  client.socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await client.sees(BEARER)
  expect(await client.ended).toBe('end')
})

test('an intercepted connection counts once against the limit of connections', async () => {
  const sidecar = await startIntercepting(
    [{ host: 'api.test', upstream: await startEcho() }],
    'limits: { connections: 2 }',
  )
  for (let i = 0; i < 2; i += 1) {
    const client = follow(await openIntercepted(sidecar, 'api.test:443'))
    client.socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
    await client.sees('HTTP/1.1 200')
  }
  const { status: refused } = await fetch(sidecar.proxyUrl)
  expect(refused).toBe(503)
})

test('a shutdown lets a response on an intercepted connection finish, and closes the connection after it', async () => {
  const finish = Promise.withResolvers<void>()
  const sidecar = await startForApi(
    await startServer((_req, res) => {
      res.write('begun ')
      void finish.promise.then(() => res.end('finished'))
    }),
  )
  const client = follow(await openIntercepted(sidecar, 'api.test:443'))
  const idle = follow(await openIntercepted(sidecar, 'api.test:443'))
  client.socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await client.sees('begun')
  const closed = sidecar.close()
  expect(await idle.ended).toBe('end')
  finish.resolve()
  await client.sees('finished')
  expect(await client.ended).toBe('end')
  await closed
})

test('the time limit for tunnels at a shutdown does not apply to an intercepted connection', async () => {
  const finish = Promise.withResolvers<void>()
  const upstream = await startServer((_req, res) => {
    res.write('begun ')
    void finish.promise.then(() => res.end('finished'))
  })
  const sidecar = await startIntercepting(
    [{ host: 'api.test', upstream }],
    'forward: pass\nshutdown: { upgraded: 10ms }',
  )
  const tunnel = follow(await openTunnelTo(sidecar.proxyUrl, new URL(upstream).host))
  const client = follow(await openIntercepted(sidecar, 'api.test:443'))
  client.socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await client.sees('begun')
  const closed = sidecar.close()
  await tunnel.ended
  finish.resolve()
  await client.sees('finished')
  await closed
  expect(client.received()).toContain('HTTP/1.1 200')
})

test('a shutdown closes a connection on which the TLS handshake has not begun', async () => {
  const sidecar = await startForApi(await startEcho())
  const waiting = follow(await openTunnelTo(sidecar.proxyUrl, 'api.test:443'))
  await sidecar.close()
  expect(await waiting.ended).toMatch(/end|reset/)
})

test('a shutdown sends GOAWAY on an intercepted HTTP/2 connection, and its streams finish', async () => {
  const finish = Promise.withResolvers<void>()
  const upstream = await startHttp2Server((stream) => {
    stream.respond({ ':status': 200 })
    stream.write('begun ')
    void finish.promise.then(() => stream.end('finished'))
  })
  const sidecar = await startForApi(upstream.origin, 'http2: always')
  const socket = await openIntercepted(sidecar, 'api.test:443', { ALPNProtocols: ['h2'] })
  const session = connectHttp2('https://api.test', { createConnection: () => socket })
  const stream = session.request({ ':path': '/' })
  await once(stream, 'response')
  const goaway = once(session, 'goaway')
  const closed = sidecar.close()
  await goaway
  finish.resolve()
  expect(await text(stream)).toBe('begun finished')
  await closed
})

test('a client that leaves within a request on an intercepted connection aborts it', async () => {
  const aborted = Promise.withResolvers<void>()
  const sidecar = await startForApi(
    await startServer((req, res) => {
      res.write('begun')
      req.once('close', aborted.resolve)
    }),
  )
  const tunnel = await openTunnelTo(sidecar.proxyUrl, 'api.test:443')
  const socket = connectTls({
    socket: tunnel,
    servername: 'api.test',
    ca: sidecar.authority.certificate,
  })
  const client = follow(socket)
  socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await client.sees('begun')
  tunnel.resetAndDestroy()
  await aborted.promise
  await until(async () => (await sidecar.logs()).includes('"code":"client_closed"'))
  expect(await handshakes(sidecar, 'ok')).toBe(1)
})

test.skipIf(MAY_SKIP && findPrograms('curl').length === 0)(
  'curl calls the https URL of a host with a route through the proxy',
  async () => {
    const sidecar = await startForApi(await startEcho())
    const ca = await fileWith(sidecar.authority.certificate)
    const args = ['-sS', '--cacert', ca, '-x', sidecar.proxyUrl, 'https://api.test/x']
    const { out, err } = await run('curl', args)
    expect(err).toBe('')
    expect(JSON.parse(out)).toMatchObject({ url: '/x', authorization: BEARER })
  },
)

test.skipIf(MAY_SKIP && findPrograms('curl').length === 0)(
  'curl that does not trust the CA is counted as unknown_ca',
  async () => {
    const sidecar = await startForApi(await startEcho())
    const { code } = await run('curl', ['-sS', '-x', sidecar.proxyUrl, 'https://api.test/x'])
    expect(code).toBe(60)
    await until(async () => (await handshakes(sidecar, 'unknown_ca')) === 1)
    expect(await sidecar.logs()).toContain('does not trust the CA of the sidecar')
  },
)
