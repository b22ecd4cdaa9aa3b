import { createSecureServer, type SecureServerOptions } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { openUpstream, type UpstreamOptions } from '../../../src/outbound/upstream.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { createFakeClock, type FakeClock } from '../../helpers/fake-clock.ts'
import { exchangeWith } from '../../helpers/http2-upstream.ts'
import { portOf } from '../../helpers/servers.ts'
import { upstreamRequest } from '../../helpers/upstream-request.ts'
import { until } from '../../helpers/wait.ts'

const authority = await createAuthority()
const { certificate: cert, key } = await authority.issue('localhost', ['127.0.0.1'])

type Listening = { readonly port: number; readonly stop: () => Promise<void> }

/** A server that supports `protocols`, and responds with the HTTP version in use. */
async function startServer(
  protocols: readonly string[],
  options: { readonly port?: number; readonly offers?: string[][] } & SecureServerOptions = {},
): Promise<Listening & { readonly sockets: readonly TLSSocket[] }> {
  const { port = 0, offers, ...secure } = options
  const sockets: TLSSocket[] = []
  const server = createSecureServer(
    {
      cert,
      key,
      allowHTTP1: true,
      ALPNCallback: ({ protocols: offered }: { protocols: string[] }) => {
        offers?.push(offered)
        return protocols.find((protocol) => offered.includes(protocol))
      },
      ...secure,
    },
    (req, res) => void res.end(req.httpVersion),
  )
  server.on('upgrade', (_req: IncomingMessage, socket: TLSSocket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    sockets.push(socket)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  // Not awaited: the upstream, which is closed later, may still have connections.
  onTestFinished(() => void stop())
  return { port: portOf(server), stop, sockets }
}

function open(
  port: number,
  options: Partial<UpstreamOptions> = {},
  clock: FakeClock = createFakeClock(),
) {
  const upstream = openUpstream(
    {
      origin: `https://127.0.0.1:${port}`,
      connectTimeoutMs: 10_000,
      maxConnections: 8,
      maxHeaderBytes: 16_384,
      http2: 'auto',
      ...options,
    },
    { ca: authority.certificate, servername: 'localhost' },
    clock,
  )
  onTestFinished(upstream.close)
  return upstream
}

test.for([
  { protocols: ['h2', 'http/1.1'], version: '2.0' },
  { protocols: ['http/1.1', 'h2'], version: '1.1' },
  { protocols: ['http/1.1'], version: '1.1' },
  { protocols: ['h2'], version: '2.0' },
])(
  'HTTP/$version is used with a server that supports $protocols',
  async ({ protocols, version }) => {
    const { port, sockets } = await startServer(protocols)
    const upstream = open(port)
    expect(await exchangeWith(upstream)).toMatchObject({ status: 200, body: version })
    expect(await exchangeWith(upstream)).toMatchObject({ status: 200, body: version })
    // The connection that negotiated the protocol is used.
    expect(sockets).toHaveLength(1)
  },
)

test.for([
  { protocols: ['h2', 'http/1.1'], speaks: true },
  { protocols: ['http/1.1'], speaks: false },
])(
  'whether a server with $protocols speaks HTTP/2 is found by one connection, which is used',
  async ({ protocols, speaks }) => {
    const { port, sockets } = await startServer(protocols)
    const upstream = open(port)
    expect(await Promise.all([upstream.speaksHttp2(), upstream.speaksHttp2()])).toEqual([
      speaks,
      speaks,
    ])
    expect(await exchangeWith(upstream)).toMatchObject({ status: 200 })
    expect(await upstream.speaksHttp2()).toBe(speaks)
    expect(sockets).toHaveLength(1)
  },
)

test('whether a server speaks HTTP/2 is undefined if it is unreachable, and found out later', async () => {
  const { port, stop } = await startServer(['h2'])
  await stop()
  const upstream = open(port)
  expect(await upstream.speaksHttp2()).toBeUndefined()
  await startServer(['h2'], { port })
  expect(await upstream.speaksHttp2()).toBe(true)
})

test('whether a server speaks HTTP/2 is undefined if it does not respond within two seconds', async () => {
  const silent = createTcpServer()
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  const clock = createFakeClock()
  const upstream = open(portOf(silent), {}, clock)
  const speaks = upstream.speaksHttp2()
  await clock.advance(2_000)
  expect(await speaks).toBeUndefined()
})

test.for([
  { http2: 'always', speaks: true },
  { http2: 'never', speaks: false },
] as const)(
  'with "http2: $http2" no connection is needed to know the protocol',
  async ({ http2, speaks }) => {
    expect(await open(1, { http2 }).speaksHttp2()).toBe(speaks)
  },
)

test('HTTP/1.1 is used with a server without ALPN', async () => {
  const server = createHttpsServer({ cert, key, ALPNProtocols: [] }, (req, res) => {
    res.end(req.httpVersion)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  expect(await exchangeWith(open(portOf(server)))).toMatchObject({ body: '1.1' })
})

test.for(['h2', 'http/1.1'])(
  'requests that begin before the protocol is known are all served in %s',
  async (protocol) => {
    const { port } = await startServer([protocol])
    const upstream = open(port)
    const responses = await Promise.all(Array.from({ length: 30 }, () => exchangeWith(upstream)))
    expect(new Set(responses.map(({ body }) => body))).toEqual(
      new Set([protocol === 'h2' ? '2.0' : '1.1']),
    )
  },
)

test.for([
  { before: 'h2', after: 'http/1.1', version: '1.1' },
  { before: 'http/1.1', after: 'h2', version: '2.0' },
])(
  'HTTP/$version is used after a server has changed from $before to $after',
  async ({ before, after, version }) => {
    const first = await startServer([before])
    const upstream = open(first.port)
    await exchangeWith(upstream)
    await first.stop()
    await until(() => upstream.load().connected === 0)
    await startServer([after], { port: first.port })
    const responses = await Promise.all(Array.from({ length: 5 }, () => exchangeWith(upstream)))
    expect(responses.map(({ body }) => body)).toEqual(Array.from({ length: 5 }, () => version))
  },
)

test('an upgrade uses an HTTP/1.1 connection, for which only HTTP/1.1 is offered', async () => {
  const offers: string[][] = []
  const { port } = await startServer(['h2', 'http/1.1'], { offers })
  const upstream = open(port)
  expect(await exchangeWith(upstream)).toMatchObject({ body: '2.0' })
  const { status, tunnel } = await upstream.roundTrip(
    upstreamRequest({ upgrade: 'test' }),
    new AbortController().signal,
  )
  tunnel?.destroy()
  expect(status).toBe(101)
  expect(offers).toEqual([['h2', 'http/1.1'], ['http/1.1']])
})

test('with "never", HTTP/2 is not offered', async () => {
  const offers: string[][] = []
  const { port } = await startServer(['h2', 'http/1.1'], { offers })
  expect(await exchangeWith(open(port, { http2: 'never' }))).toMatchObject({ body: '1.1' })
  expect(offers).toEqual([['http/1.1']])
})

test('with "always", only HTTP/2 is offered', async () => {
  const offers: string[][] = []
  const { port } = await startServer(['http/1.1', 'h2'], { offers })
  expect(await exchangeWith(open(port, { http2: 'always' }))).toMatchObject({ body: '2.0' })
  expect(offers).toEqual([['h2']])
})

test('with "always", a server that rejects HTTP/2 in the handshake causes an error that names the setting', async () => {
  const { port } = await startServer(['http/1.1'])
  await expect(exchangeWith(open(port, { http2: 'always' }))).rejects.toMatchObject({
    code: 'upstream_protocol',
    message: expect.stringContaining('set "http2" of the route to "auto" or "never"'),
  })
})

test('with "always", a server without ALPN causes an error that names the setting', async () => {
  const server = createTlsServer({ cert, key }, (socket) => socket.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const upstream = open(portOf(server), { http2: 'always' })
  await expect(exchangeWith(upstream)).rejects.toMatchObject({
    code: 'upstream_protocol',
    message: expect.stringContaining('set "http2" of the route to "auto" or "never"'),
  })
})

test('the end of a close-delimited response on the first connection is verified although HTTP/2 was offered', async () => {
  const server = createTlsServer({ cert, key, ALPNProtocols: ['http/1.1'] }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const response = await exchangeWith(open(portOf(server)), { method: 'POST' })
  expect(response).toMatchObject({ status: 200, body: 'to the end' })
})

test('the session that negotiated the protocol is soon replaced by one with native TLS', async () => {
  const clock = createFakeClock()
  const { port, sockets } = await startServer(['h2'])
  const upstream = open(port, {}, clock)
  await exchangeWith(upstream)
  await clock.advance(6_000)
  await exchangeWith(upstream)
  await until(() => sockets.length === 2)
  await clock.advance(4_000)
  await exchangeWith(upstream)
  expect(sockets).toHaveLength(2)
})

test('a change of certificates does not discard the negotiated protocol', async () => {
  const offers: string[][] = []
  const { port } = await startServer(['h2'], { offers })
  const upstream = open(port)
  await exchangeWith(upstream)
  upstream.renew({ ca: authority.certificate, servername: 'localhost' })
  const responses = await Promise.all([exchangeWith(upstream), exchangeWith(upstream)])
  expect(responses.map(({ body }) => body)).toEqual(['2.0', '2.0'])
  expect(offers).toHaveLength(2)
})

test('an untrusted certificate fails all requests that wait for the negotiation', async () => {
  const { port } = await startServer(['h2'])
  const upstream = openUpstream(
    {
      origin: `https://127.0.0.1:${port}`,
      connectTimeoutMs: 10_000,
      maxConnections: 8,
      maxHeaderBytes: 16_384,
      http2: 'auto',
    },
    { servername: 'localhost' },
    createFakeClock(),
  )
  onTestFinished(upstream.close)
  const responses = await Promise.allSettled([exchangeWith(upstream), exchangeWith(upstream)])
  for (const response of responses) {
    expect(response).toMatchObject({ reason: { code: 'upstream_tls' } })
  }
})
