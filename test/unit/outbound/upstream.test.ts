import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openUpstream } from '../../../src/outbound/upstream.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { bodyFrom, collectingWriter, upstreamRequest } from '../../helpers/upstream-request.ts'
import { startRawUpstream } from '../../helpers/raw-http.ts'
import { portOf, startListening } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

test('invalid certificates fail every request, and do not occupy connections', async () => {
  const upstream = openUpstream(
    {
      origin: 'https://127.0.0.1:1',
      connectTimeoutMs: 1_000,
      maxConnections: 1,
      maxHeaderBytes: 16_384,
    },
    { cert: 'no certificate', key: 'no key' },
    createFakeClock(),
  )
  onTestFinished(upstream.close)
  for (let i = 0; i < 3; i += 1) {
    await expect(bodyFrom(upstream)).rejects.toMatchObject({
      code: 'upstream_tls',
      cause: { code: expect.stringMatching(/^ERR_OSSL_/) },
    })
    expect(upstream.load()).toEqual({ connected: 0, running: 0, queued: 0 })
  }
})

test('data that TLS has already decrypted is delivered after a pause, without loss', async () => {
  const lines = Array.from({ length: 200 }, (_, i) => `${i}\n`)
  const authority = await createAuthority()
  const { certificate: cert, key } = await authority.issue('localhost', ['127.0.0.1'])
  const { promise: isSent, resolve: sent } = Promise.withResolvers<void>()
  const server = createServer({ cert, key }, (_req, res) => {
    void (async () => {
      // Each write is a separate TLS record; all of them have arrived when the first one is read.
      for (const line of lines) {
        res.write(line)
        await nextTurn()
      }
      res.end(sent)
    })()
  })
  await startListening(server)
  const upstream = openUpstream(
    {
      origin: `https://127.0.0.1:${portOf(server)}`,
      connectTimeoutMs: 10_000,
      maxConnections: 1,
      maxHeaderBytes: 16_384,
    },
    { ca: authority.certificate, servername: 'localhost' },
    createFakeClock(),
  )
  onTestFinished(upstream.close)
  const response = await upstream.roundTrip(upstreamRequest(), new AbortController().signal)
  const received: string[] = []
  let isBlocked = false
  const writer = collectingWriter(() => {}, {
    write(chunk, onDrain) {
      received.push(isBlocked ? 'received during backpressure' : chunk.toString('latin1'))
      isBlocked = true
      void isSent
        .then(async () => await nextTurn())
        .then(() => {
          isBlocked = false
          onDrain()
        })
      return false
    },
  })
  await response.pipeTo(writer)
  expect(received.join('')).toBe(lines.join(''))
})

test('the end of a connection during a pause is detected after the pause', async () => {
  const { promise: hasEnded, resolve: ended } = Promise.withResolvers<void>()
  const { origin } = await startRawUpstream((_received, peer) =>
    peer.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', ended),
  )
  const upstream = openUpstream(
    { origin, connectTimeoutMs: 10_000, maxConnections: 1, maxHeaderBytes: 16_384 },
    {},
    createFakeClock(),
  )
  onTestFinished(upstream.close)
  const response = await upstream.roundTrip(upstreamRequest(), new AbortController().signal)
  const writer = collectingWriter(() => {}, {
    write(_chunk, onDrain) {
      void hasEnded.then(async () => await nextTurn()).then(onDrain)
      return false
    },
  })
  await expect(response.pipeTo(writer)).rejects.toMatchObject({ code: 'upstream_reset' })
  expect(upstream.load()).toEqual({ connected: 0, running: 0, queued: 0 })
})

test('an idle TLS connection is closed with a closure alert', async () => {
  const authority = await createAuthority()
  const { certificate: cert, key } = await authority.issue('localhost', ['127.0.0.1'])
  const below: Socket[] = []
  const server = createServer({ cert, key }, (_req, res) => void res.end('ok'))
  server.on('connection', (socket: Socket) => below.push(socket))
  await startListening(server)
  const upstream = openUpstream(
    {
      origin: `https://127.0.0.1:${portOf(server)}`,
      connectTimeoutMs: 10_000,
      maxConnections: 1,
      maxHeaderBytes: 16_384,
    },
    { ca: authority.certificate, servername: 'localhost' },
    createFakeClock(),
  )
  onTestFinished(upstream.close)
  expect(await bodyFrom(upstream)).toBe('ok')
  const [socket] = below
  const bytesBefore = socket?.bytesRead
  upstream.retire()
  await until(() => socket?.destroyed === true)
  // The alert is a separate record.
  expect(socket?.bytesRead).toBe((bytesBefore ?? 0) + 24)
})

test.for([
  { what: 'is parsed in many turns', isBlocking: false },
  { what: 'is interrupted by backpressure', isBlocking: true },
])('no further data is received from the upstream while a read $what', async ({ isBlocking }) => {
  let peer: Socket | undefined
  const { origin } = await startRawUpstream((_received, socket) => {
    peer = socket
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const chunks = '1\r\nx\r\n'.repeat(10_000)
    const pump = (): void => {
      while (socket.write(chunks));
      socket.once('drain', pump)
    }
    pump()
  })
  const upstream = openUpstream(
    { origin, connectTimeoutMs: 10_000, maxConnections: 1, maxHeaderBytes: 16_384 },
    {},
    createFakeClock(),
  )
  onTestFinished(upstream.close)
  const response = await upstream.roundTrip(upstreamRequest(), new AbortController().signal)
  let contentBytes = 0
  const writer = collectingWriter(() => {}, {
    write(chunk, onDrain) {
      contentBytes += chunk.length
      if (isBlocking) setImmediate(onDrain)
      return !isBlocking
    },
  })
  // It fails when the upstream is closed.
  response.pipeTo(writer)?.catch(() => {})
  await until(() => contentBytes > 300_000)
  // One octet in six is content; the operating system buffers some on both sides.
  expect(peer?.bytesWritten).toBeLessThan(30_000_000)
})
