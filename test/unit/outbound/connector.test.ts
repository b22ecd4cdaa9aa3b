import { once } from 'node:events'
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createServer as createTlsServer, type TlsOptions, TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import {
  type ConnectorOptions,
  createConnector,
  type EndOfData,
} from '../../../src/outbound/connector.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { portOf } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

const MEBIBYTE = 1024 * 1024

test('the data of two connections is not mixed up', async () => {
  let letter = 0x60
  const server = createTcpServer((socket) => {
    letter += 1
    socket.end(Buffer.alloc(8 * MEBIBYTE, letter))
  })
  const open = await startConnector(server)
  const sockets = [await open(), await open(), await open()]
  const received = await Promise.all(sockets.map(async (socket) => await buffer(socket)))
  for (const each of received) {
    expect(each.length).toBe(8 * MEBIBYTE)
    expect(each.equals(Buffer.alloc(each.length, each[0]))).toBe(true)
  }
  expect(new Set(received.map((each) => each[0])).size).toBe(3)
})

test('the server name has no trailing dot, and the certificate is verified without it', async () => {
  const { server, ca } = await createSecureServer()
  const names: unknown[] = []
  server.on('secureConnection', (socket) => names.push(socket.servername))
  const open = await startConnector(server, { tls: { ca, servername: 'localhost.' } })
  const socket = await open()
  await once(socket, 'session')
  expect(socket instanceof TLSSocket && socket.authorized).toBe(true)
  expect(names).toEqual(['localhost'])
})

test('the second handshake resumes the session of the first', async () => {
  const { server, ca } = await createSecureServer()
  const open = await startConnector(server, { tls: { ca, servername: 'localhost' } })
  const first = await open()
  await once(first, 'session')
  first.destroy()
  const second = await open()
  expect(second instanceof TLSSocket && second.isSessionReused()).toBe(true)
})

test.for([
  { version: 'TLSv1.2', announced: true },
  { version: 'TLSv1.2', announced: false },
  { version: 'TLSv1.3', announced: true },
  { version: 'TLSv1.3', announced: false },
] as const)(
  'the end of the data in $version is authentic only with a closure alert: $announced',
  async ({ version, announced }) => {
    const { server, ca } = await createSecureServer({ minVersion: version, maxVersion: version })
    const below: Socket[] = []
    server.on('connection', (socket: Socket) => below.push(socket))
    server.on('secureConnection', (socket) => {
      socket.write('all of it', () => {
        if (announced) socket.end()
        else below[0]?.end()
      })
    })
    const tls = { ca, servername: 'localhost' }
    const { socket, end } = await (await startConnecting(server, { tls }, true))()
    expect((await buffer(socket)).toString()).toBe('all of it')
    expect(end.means).toBe('tls, verified')
    expect(end.isAuthentic()).toBe(announced)
  },
)

test('a FIN within a TLS record is not an authentic end', async () => {
  const { server, ca } = await createSecureServer()
  const front = createTcpServer((client) => {
    const behind = connect(portOf(server), '127.0.0.1')
    client.pipe(behind)
    let isCut = false
    behind.on('data', (data: Buffer) => {
      if (isCut) return
      // Far beyond the handshake, and within a record of 16 KiB.
      isCut = behind.bytesRead > 100_000
      if (isCut) client.end(data.subarray(0, -1_000))
      else client.write(data)
    })
    behind.on('error', () => client.destroy())
    client.on('close', () => behind.destroy())
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy())
    socket.write(Buffer.alloc(MEBIBYTE))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const tls = { ca, servername: 'localhost' }
  const { socket, end } = await (await startConnecting(front, { tls }, true))()
  await buffer(socket)
  expect(end.isAuthentic()).toBe(false)
})

test('without TLS, a FIN is an authentic end', async () => {
  const server = createTcpServer((socket) => void socket.end('all of it'))
  const { socket, end } = await (await startConnecting(server))()
  await buffer(socket)
  expect(end.isAuthentic()).toBe(true)
})

test.for([true, false])(
  'closing a connection that verifies its end closes it at the peer: %s',
  async (verifiesEnd) => {
    const { server, ca } = await createSecureServer()
    let isClosed = false
    server.on('connection', (socket: Socket) => socket.on('close', () => void (isClosed = true)))
    const tls = { ca, servername: 'localhost' }
    const { socket } = await (await startConnecting(server, { tls }, verifiesEnd))()
    expect(isClosed).toBe(false)
    socket.destroy()
    await until(() => isClosed)
  },
)

test('a certificate of an untrusted CA is an error', async () => {
  const { server } = await createSecureServer()
  const open = await startConnector(server, { tls: { servername: 'localhost' } })
  await expect(open()).rejects.toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
})

test('the connect timeout includes the TLS handshake', async () => {
  const silent: Socket[] = []
  const server = createTcpServer((socket) => silent.push(socket))
  const clock = createFakeClock()
  const open = await startConnector(server, { tls: {}, timeoutMs: 5_000, clock })
  const connected = open()
  await until(() => silent.length === 1)
  await clock.advance(4_999)
  expect(await Promise.race([connected, nextTurn('not yet')])).toBe('not yet')
  await clock.advance(1)
  await expect(connected).rejects.toMatchObject({
    code: 'upstream_timeout',
    message: expect.stringContaining('connection timed out'),
  })
})

test('the connect timeout does not apply to an established connection', async () => {
  const server = createTcpServer()
  const clock = createFakeClock()
  const open = await startConnector(server, { timeoutMs: 5_000, clock })
  const socket = await open()
  await clock.advance(60_000)
  expect(socket.destroyed).toBe(false)
})

async function createSecureServer(options: TlsOptions = {}) {
  const authority = await createAuthority()
  const { certificate: cert, key } = await authority.issue('localhost', ['localhost'])
  return { server: createTlsServer({ ...options, cert, key }), ca: authority.certificate }
}

/** Returns a function that opens a connection to `server`. */
async function startConnector(server: Server, options: Partial<ConnectorOptions> = {}) {
  const open = await startConnecting(server, options)
  return async (): Promise<Socket> => (await open()).socket
}

/** Returns a function that also reports how the connection ended. */
async function startConnecting(
  server: Server,
  options: Partial<ConnectorOptions> = {},
  verifiesEnd = false,
) {
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => socket.destroy())
    onTestFinished(() => void socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const connectTo = createConnector({
    origin: 'http://upstream.example',
    hostname: '127.0.0.1',
    port: portOf(server),
    tls: undefined,
    alpn: ['http/1.1'],
    timeoutMs: 10_000,
    clock: createFakeClock(),
    ...options,
  })
  return async () => {
    const { promise, resolve, reject } = Promise.withResolvers<{ socket: Socket; end: EndOfData }>()
    connectTo((error, socket, end) => {
      if (socket === null) reject(error)
      else resolve({ socket, end })
    }, verifiesEnd)
    const connected = await promise
    onTestFinished(() => void connected.socket.destroy())
    return connected
  }
}
