import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { type Connection, createConnection } from '../../../src/outbound/connection.ts'
import { PLAIN_END } from '../../../src/outbound/connector.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { startRawUpstream } from '../../helpers/raw-http.ts'
import { collectingWriter, upstreamRequest } from '../../helpers/upstream-request.ts'

const ANY_SIGNAL = new AbortController().signal

test.for<{ what: string; answer: string; body: string }>([
  { what: 'a response without content', answer: 'Content-Length: 0\r\n\r\n', body: '' },
  { what: 'an empty close-delimited response', answer: '\r\n', body: '' },
  { what: 'a close-delimited response', answer: '\r\nhello', body: 'hello' },
  { what: 'a body of known length', answer: 'Content-Length: 5\r\n\r\nhello', body: 'hello' },
  {
    what: 'a chunked body',
    answer: 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    body: 'hello',
  },
])('the end of a connection after $what is detected when the response is read', async (given) => {
  const { connection, socket } = await startConnection((peer) =>
    peer.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n${given.answer}`),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  socket.pause()
  const { received, writer } = blockingWriter()
  // Node reports the end of a paused socket that has nothing left to read.
  socket.resume()
  await once(socket, 'end')
  const piped = response.pipeTo(writer)
  await piped
  expect(response.status).toBe(200)
  expect(received.join('')).toBe(given.body)
})

test('piping a complete response returns no promise', async () => {
  const { connection } = await startConnection((peer) =>
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  const received: string[] = []
  const writer = collectingWriter((chunk) => void received.push(chunk.toString()))
  expect(response.pipeTo({ ...writer, end: () => undefined })).toBeUndefined()
  expect(received).toEqual(['hello'])
})

test('the end of the connection during backpressure is processed after the client has caught up', async () => {
  const { connection, socket } = await startConnection((peer) =>
    peer.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello'),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  const { received, writer, drain, ended } = blockingWriter({ isBlocking: true })
  const piped = response.pipeTo(writer)
  await once(socket, 'end')
  expect(received).toEqual(['hello'])
  expect(ended()).toBe(false)
  drain()
  await piped
  expect(ended()).toBe(true)
})

test('a connection that ends within a body fails it once the client has caught up', async () => {
  const { connection, socket } = await startConnection((peer) =>
    peer.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello'),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  const { received, writer, drain, ended } = blockingWriter({ isBlocking: true })
  const caughtUp = once(socket, 'end').then(drain)
  await expect(response.pipeTo(writer)).rejects.toMatchObject({ code: 'upstream_reset' })
  await caughtUp
  expect(received).toEqual(['hello'])
  expect(ended()).toBe(false)
})

test('an idle connection that ends cannot be used from that moment on', async () => {
  const { connection, socket, closed } = await startConnection((peer) => {
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    setImmediate(() => peer.end())
  })
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  await response.pipeTo(collectingWriter(() => {}))
  const wasClosed = once(socket, 'end').then(() => closed())
  expect(await wasClosed).toBe(true)
})

test('an error of the writer closes the connection and fails the response', async () => {
  const { connection, socket } = await startConnection((peer) =>
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  const cause = new RangeError('too much')
  const writer = collectingWriter(() => {
    throw cause
  })
  await expect(response.pipeTo(writer)).rejects.toMatchObject({ code: 'internal_error', cause })
  await nextTurn()
  expect(socket.destroyed).toBe(true)
})

test('a read with many chunks does not block other connections', async () => {
  const chunks = '1\r\nx\r\n'.repeat(5_000)
  const { connection } = await startConnection((peer) =>
    peer.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  let turns = 0
  let isComplete = false
  const countTurns = (): void => {
    turns += 1
    if (!isComplete) setImmediate(countTurns)
  }
  countTurns()
  const { received, writer } = blockingWriter()
  await response.pipeTo(writer)
  isComplete = true
  expect(received.join('')).toBe('x'.repeat(5_000))
  expect(turns).toBeGreaterThanOrEqual(9)
})

test('backpressure between the chunks of one read loses no data', async () => {
  const chunks = '1\r\nx\r\n'.repeat(5_000)
  const { connection } = await startConnection((peer) =>
    peer.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  const received: string[] = []
  const writer = collectingWriter(() => {}, {
    write(chunk, onDrain) {
      received.push(chunk.toString('latin1'))
      if (received.length % 2 === 0) process.nextTick(onDrain)
      else setImmediate(onDrain)
      return false
    },
  })
  await response.pipeTo(writer)
  expect(received.join('')).toBe('x'.repeat(5_000))
})

test('an aborted request closes the connection and fails with the reason', async () => {
  const { connection, socket } = await startConnection(() => {})
  const exchange = new AbortController()
  const sent = connection.send(upstreamRequest(), exchange.signal)
  const cause = new Error('the client left')
  exchange.abort(cause)
  await expect(sent).rejects.toMatchObject({ cause })
  expect(socket.destroyed).toBe(true)
})

test('a discarded response is drained, and its connection can be used again', async () => {
  const { connection, idle } = await startConnection((peer) =>
    peer.write('HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nhello'),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  response.discard()
  await idle
  const again = await connection.send(upstreamRequest(), ANY_SIGNAL)
  expect(again.status).toBe(401)
})

test('a discarded response that is too large closes its connection', async () => {
  const { connection, socket } = await startConnection((peer) => {
    peer.write('HTTP/1.1 401 No\r\nContent-Length: 1000000\r\n\r\n')
    peer.write(Buffer.alloc(200_000))
  })
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  const closed = once(socket, 'close')
  response.discard()
  await closed
  expect(socket.destroyed).toBe(true)
})

test('a discarded response that does not end in time closes its connection', async () => {
  const { connection, socket, clock } = await startConnection((peer) =>
    peer.write('HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhello'),
  )
  const response = await connection.send(upstreamRequest(), ANY_SIGNAL)
  response.discard()
  await clock.advance(2_000)
  expect(socket.destroyed).toBe(true)
})

/** A connection to a server that handles only the first data that it receives. */
async function startConnection(respond: (peer: Socket) => unknown) {
  const { origin } = await startRawUpstream((_received, peer) => respond(peer))
  const { port } = new URL(origin)
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  let isClosed = false
  const { promise: idle, resolve } = Promise.withResolvers<void>()
  const clock = createFakeClock()
  const connection: Connection = createConnection(socket, {
    origin,
    host: 'localhost',
    maxHeaderBytes: 16_384,
    end: PLAIN_END,
    onFraming() {},
    dedicated: false,
    clock,
    onIdle: () => resolve(),
    onClosed: () => void (isClosed = true),
  })
  return { connection, socket, clock, idle, closed: () => isClosed }
}

/** A writer that collects the body; if it is blocking, it accepts no more until `drain` is called. */
function blockingWriter({ isBlocking = false } = {}) {
  const received: string[] = []
  let onDrained: (() => void) | undefined
  let hasEnded = false
  const writer = collectingWriter(() => {}, {
    write(chunk, onDrain) {
      received.push(chunk.toString('latin1'))
      onDrained = onDrain
      return !isBlocking
    },
    async end() {
      hasEnded = true
    },
  })
  return { received, writer, drain: () => onDrained?.(), ended: () => hasEnded }
}
