import { once } from 'node:events'
import { createServer as createHttpServer, request } from 'node:http'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { request as requestTls } from 'node:https'
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import {
  createRedirectedConnections,
  type RedirectedConnectionOptions,
} from '../../../src/inbound/redirected-connections.ts'
import { watchOwnConnections } from '../../../src/lib/own-connections.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { handshakeRecords, helloMessage } from '../../helpers/client-hello.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { openRaw } from '../../helpers/raw-connection.ts'
import { portOf } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

const NAMED = 'api.partner.example'
const TIMEOUT_MS = 5_000

const authority = await createAuthority()
const certificate = await authority.issue(NAMED, [NAMED])

/** A listener for redirected connections; a route names `NAMED`. */
async function startListener(
  options: Partial<RedirectedConnectionOptions> = {},
  bindTo = '127.0.0.1',
) {
  const rejected: (readonly [reason: string, host: string | undefined])[] = []
  const served: string[] = []
  const clock = createFakeClock()
  const http = createHttpServer((req, res) => {
    served.push(`http ${req.headers.host}`)
    req.pipe(res)
  })
  const tls = createSecureServer(
    { cert: certificate.certificate, key: certificate.key, allowHTTP1: true },
    (req, res) => {
      served.push(`tls ${req.httpVersion}`)
      req.pipe(res)
    },
  )
  const redirected = createRedirectedConnections({
    namesHost: (host) => host === NAMED,
    interceptsTls: () => true,
    isSurplus: () => false,
    serveHttp: (client) => http.emit('connection', client),
    async serveTls(client) {
      await Promise.resolve()
      tls.emit('connection', client)
    },
    onRejected: (reason, host) => rejected.push([reason, host]),
    isOwn: () => false,
    servesOtherMachines: false,
    timeoutMs: () => TIMEOUT_MS,
    clock,
    ...options,
  })
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client)
    client.once('close', () => open.delete(client))
    redirected.accept(client)
  })
  server.listen(0, bindTo)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of open) client.destroy()
    server.close()
  })
  return { port: portOf(server), rejected, served, clock, open, closeIdle: redirected.closeIdle }
}

/** Sends these pieces one after the other, and waits for the end of the connection. */
async function outcomeOf(port: number, ...pieces: readonly (Buffer | string)[]) {
  const { socket, ended, received } = await openRaw(`http://127.0.0.1:${port}`)
  for (const piece of pieces) {
    await new Promise((resolve) => {
      socket.write(piece, resolve)
    })
  }
  return { end: await ended, received: received() }
}

const hello = (parts: Parameters<typeof helloMessage>[0]): Buffer =>
  handshakeRecords(helloMessage(parts))

const ECH = [0xfe0d, Buffer.from([0, 0, 1])] as const

test.for([
  ['TLS to a host that no route names', hello({ serverName: 'evil.example' }), 'unknown_host'],
  ['TLS without a server name', hello({}), 'no_server_name'],
  [
    'TLS with an encrypted server name behind an unknown public one',
    hello({ serverName: 'cloud.example', extensions: [ECH] }),
    'encrypted_hello',
  ],
  [
    'TLS for a protocol other than HTTP',
    hello({ serverName: NAMED, protocols: ['imap'] }),
    'not_http',
  ],
  ['a ClientHello that is too large', Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]), 'too_large'],
  ['a malformed ClientHello', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]), 'malformed'],
  ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n', 'not_http'],
  ['MQTT', Buffer.from([0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54]), 'not_http'],
  ['letters without a space', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'not_http'],
] as const)('resets %s, and says why', async ([, octets, reason]) => {
  const { port, rejected } = await startListener()
  expect(await outcomeOf(port, octets)).toEqual({ end: 'reset', received: '' })
  expect(rejected.map(([given]) => given)).toEqual([reason])
})

test('names the host of a rejected TLS connection', async () => {
  const { port, rejected } = await startListener()
  await outcomeOf(port, hello({ serverName: 'evil.example' }))
  expect(rejected).toEqual([['unknown_host', 'evil.example']])
})

test('resets TLS to a host that a route names if TLS is not intercepted', async () => {
  const { port, rejected } = await startListener({ interceptsTls: () => false })
  expect(await outcomeOf(port, hello({ serverName: NAMED }))).toMatchObject({ end: 'reset' })
  expect(rejected).toEqual([['no_interception', NAMED]])
})

test('resets TLS to a host for which no certificate can be issued', async () => {
  const { port, rejected } = await startListener({
    serveTls: async () => await Promise.reject(new Error('no certificate')),
  })
  expect(await outcomeOf(port, hello({ serverName: NAMED }))).toMatchObject({ end: 'reset' })
  expect(rejected).toEqual([['no_certificate', NAMED]])
})

test('resets TLS beyond the limit of connections', async () => {
  const { port, rejected } = await startListener({ isSurplus: () => true })
  expect(await outcomeOf(port, hello({ serverName: NAMED }))).toMatchObject({ end: 'reset' })
  expect(rejected).toEqual([['too_many_connections', NAMED]])
})

test('closes idle connections at the end, and keeps those on which something was received', async () => {
  const { port, open, closeIdle } = await startListener()
  const idle = await openRaw(`http://127.0.0.1:${port}`)
  const started = await openRaw(`http://127.0.0.1:${port}`, 'GE')
  await until(() => open.size === 2 && [...open].some(({ bytesRead }) => bytesRead === 2))
  closeIdle()
  expect(await idle.ended).toBe('end')
  await until(() => open.size === 1)
  started.socket.write(`T / HTTP/1.1\r\nHost: ${NAMED}\r\n\r\n`)
  await started.sees('HTTP/1.1 200')
})

test('resets a ClientHello without the host of a route that arrives byte by byte', async () => {
  const { port, rejected } = await startListener()
  const octets = hello({ serverName: 'evil.example' })
  const pieces = Array.from(octets, (octet) => Buffer.from([octet]))
  expect(await outcomeOf(port, ...pieces)).toMatchObject({ end: 'reset' })
  expect(rejected).toEqual([['unknown_host', 'evil.example']])
})

test.for(['', 'POS', '\x16\x03\x01\x02'] as const)(
  'resets a connection on which only %j arrives in time',
  async (octets) => {
    const { port, rejected, clock, open } = await startListener()
    const raw = await openRaw(`http://127.0.0.1:${port}`, octets)
    await until(() => [...open].some(({ bytesRead }) => bytesRead === octets.length))
    await clock.advance(TIMEOUT_MS)
    expect(await raw.ended).toBe('reset')
    expect(rejected).toEqual([['timeout', undefined]])
  },
)

test('closes a connection that the client ends before it is complete, without a rejection', async () => {
  const { port, rejected, open } = await startListener()
  const { socket, ended } = await openRaw(`http://127.0.0.1:${port}`, '\x16\x03')
  socket.end()
  expect(await ended).toBe('end')
  await until(() => open.size === 0)
  expect(rejected).toEqual([])
})

test('serves HTTP/1.1, with a body that arrives later', async () => {
  const { port, served, rejected } = await startListener()
  const req = request({ host: '127.0.0.1', port, method: 'POST', headers: { host: NAMED } })
  req.write('first')
  const [res] = await once(req, 'response')
  req.end(' second')
  expect(Buffer.concat(await res.toArray()).toString()).toBe('first second')
  expect([served, rejected]).toEqual([[`http ${NAMED}`], []])
})

test('serves HTTP/1.1 whose method arrives in pieces', async () => {
  const { port, served } = await startListener()
  const { end } = await outcomeOf(
    port,
    'G',
    'E',
    'T',
    ` / HTTP/1.1\r\nHost: ${NAMED}\r\nConnection: close\r\n\r\n`,
  )
  expect([end, served]).toEqual(['end', [`http ${NAMED}`]])
})

test('serves a client that ends its side together with its request', async () => {
  const { port, served } = await startListener()
  const { socket, ended } = await openRaw(`http://127.0.0.1:${port}`)
  socket.end('GET / HTTP/1.0\r\n\r\n')
  expect(await ended).toBe('end')
  expect(served).toEqual(['http undefined'])
})

test('serves TLS to the host of a route with HTTP/1.1', async () => {
  const { port, served, rejected } = await startListener()
  const body = 'x'.repeat(200_000)
  const tls = { ca: authority.certificate, servername: NAMED }
  const req = requestTls({ ...tls, host: '127.0.0.1', port, method: 'POST' })
  req.end(body)
  const [res] = await once(req, 'response')
  expect(Buffer.concat(await res.toArray()).toString()).toBe(body)
  expect([served, rejected]).toEqual([['tls 1.1'], []])
})

test('serves TLS to the host of a route with HTTP/2', async () => {
  const { port, served, rejected } = await startListener()
  const body = 'x'.repeat(200_000)
  const tls = { ca: authority.certificate, servername: NAMED }
  const session = connectHttp2(`https://127.0.0.1:${port}`, tls)
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':method': 'POST' })
  stream.end(body)
  expect(Buffer.concat(await stream.toArray()).toString()).toBe(body)
  expect([served, rejected]).toEqual([['tls 2.0'], []])
})

test('serves TLS with the extension of Encrypted Client Hello whose public name a route names', async () => {
  const served: string[] = []
  const { port } = await startListener({
    async serveTls(client, host) {
      served.push(host)
      await Promise.resolve()
      client.destroy()
    },
  })
  await outcomeOf(port, hello({ serverName: NAMED, extensions: [ECH] }))
  expect(served).toEqual([NAMED])
})

test.for([NAMED, 'login.example'])('resets a connection of its own process to %s', async (host) => {
  const own = watchOwnConnections()
  onTestFinished(own.close)
  const { port, rejected } = await startListener({ isOwn: own.isPeerOf })
  expect(await outcomeOf(port, hello({ serverName: host }))).toMatchObject({ end: 'reset' })
  expect(rejected).toEqual([['loop', undefined]])
})

test('does not take the connection of a client for its own', async () => {
  const own = watchOwnConnections()
  const { port, rejected } = await startListener({ isOwn: own.isPeerOf })
  // From here on, sockets of this process are like those of another process.
  own.close()
  await outcomeOf(port, hello({ serverName: 'evil.example' }))
  expect(rejected).toEqual([['unknown_host', 'evil.example']])
})

test('a listener on all addresses accepts redirected connections of both protocols', async () => {
  const { port, rejected } = await startListener({}, '::')
  for (const host of ['127.0.0.1', '::1']) {
    const socket = connect(port, host)
    socket.on('error', () => {})
    socket.write(hello({ serverName: 'evil.example' }))
    await new Promise((resolve) => socket.once('close', resolve))
  }
  expect(rejected.map(([reason]) => reason)).toEqual(['unknown_host', 'unknown_host'])
})
