import { PassThrough, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { writeBody, writeComplete } from '../../../src/outbound/body-writer.ts'
import { requestBody } from '../../helpers/exchange-request.ts'

/** A corked writable that collects all writes, in the state of a connection after the head. */
function corkedSocket(highWaterMark = 64 * 1024) {
  let written = ''
  const pending: (() => void)[] = []
  const socket = new Writable({
    highWaterMark,
    write(chunk: Buffer, _, done) {
      written += chunk.toString('latin1')
      if (highWaterMark > 1) done()
      else pending.push(done)
    },
  })
  socket.cork()
  return { socket, written: () => written, accept: () => pending.shift()?.() }
}

const fail = (cause: unknown): never => {
  throw new Error('the body failed', { cause })
}

/** Resolves when the stream has delivered what was written to it. */
async function delivered(stream: PassThrough): Promise<void> {
  await expect.poll(() => stream.readableLength + stream.writableLength, { interval: 1 }).toBe(0)
}

test('a body with a length is written as it arrives', async () => {
  const stream = new PassThrough()
  const { socket, written } = corkedSocket()
  const writer = writeBody(requestBody({ stream }), socket, false, fail)
  expect(writer.hasBegun()).toBe(false)
  stream.write('first ')
  await delivered(stream)
  expect(writer.hasBegun()).toBe(true)
  expect(writer.isDone()).toBe(false)
  stream.end('second')
  await expect.poll(writer.isDone, { interval: 1 }).toBe(true)
  expect(written()).toBe('first second')
})

test('a chunked body ends with the last chunk and the trailer section', async () => {
  const stream = new PassThrough()
  const { socket, written } = corkedSocket()
  const body = requestBody({ stream, trailers: () => ['X-Cost', '3', 'X-Sum', 'a'] })
  const writer = writeBody(body, socket, true, fail)
  stream.end('twelve bytes')
  await expect.poll(writer.isDone, { interval: 1 }).toBe(true)
  expect(written()).toBe('c\r\ntwelve bytes\r\n0\r\nX-Cost: 3\r\nX-Sum: a\r\n\r\n')
})

test('an empty chunked body is the last chunk alone', async () => {
  const stream = new PassThrough()
  const { socket, written } = corkedSocket()
  const writer = writeBody(requestBody({ stream }), socket, true, fail)
  stream.end()
  await expect.poll(writer.isDone, { interval: 1 }).toBe(true)
  expect(written()).toBe('0\r\n\r\n')
})

test('the body is paused while the connection cannot accept more', async () => {
  const stream = new PassThrough()
  const { socket } = corkedSocket(1)
  const writer = writeBody(requestBody({ stream }), socket, false, fail)
  stream.write('first')
  await expect.poll(() => stream.isPaused(), { interval: 1 }).toBe(true)
  writer.resume()
  expect(stream.isPaused()).toBe(false)
  writer.stop()
})

test('a body that is detached before writing begins is not modified', async () => {
  const stream = new PassThrough()
  const first = corkedSocket()
  const writer = writeBody(requestBody({ stream }), first.socket, false, fail)
  writer.detach()
  stream.end('whole')
  const second = corkedSocket()
  const next = writeBody(requestBody({ stream }), second.socket, false, fail)
  await expect.poll(next.isDone, { interval: 1 }).toBe(true)
  expect([first.written(), second.written()]).toEqual(['', 'whole'])
})

test('stop destroys an incomplete body, and writes nothing further', async () => {
  const stream = new PassThrough()
  const { socket, written } = corkedSocket()
  const writer = writeBody(requestBody({ stream }), socket, false, fail)
  stream.write('first')
  await delivered(stream)
  writer.stop()
  expect(stream.destroyed).toBe(true)
  expect(writer.isDone()).toBe(false)
  expect(written()).toBe('first')
})

test('an error of the body is reported', async () => {
  const stream = new PassThrough()
  const failures: unknown[] = []
  writeBody(requestBody({ stream }), corkedSocket().socket, false, (error) => failures.push(error))
  const reason = new Error('the client has left')
  stream.destroy(reason)
  await expect.poll(() => failures, { interval: 1 }).toEqual([reason])
})

test.for([
  { isChunked: false, content: 'whole', expected: 'whole' },
  { isChunked: true, content: 'whole', expected: '5\r\nwhole\r\n0\r\nX-Cost: 3\r\n\r\n' },
  { isChunked: true, content: '', expected: '0\r\nX-Cost: 3\r\n\r\n' },
])('a complete body "$content" is written, chunked: $isChunked', (row) => {
  const { socket, written } = corkedSocket()
  const body = { content: Buffer.from(row.content), trailers: ['X-Cost', '3'] }
  writeComplete(body, socket, row.isChunked)
  socket.uncork()
  expect(written()).toBe(row.expected)
})
