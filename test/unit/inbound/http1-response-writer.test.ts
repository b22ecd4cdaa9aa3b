import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { clientClosed } from '../../../src/errors.ts'
import { createHttp1ResponseWriter } from '../../../src/inbound/http1-response-writer.ts'
import { portOf, startListening } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

const HEAD = { status: 200, phrase: 'OK', length: Number.NaN }

test('interim responses wait for a client that does not read', async () => {
  const { writer, client } = await startExchange()
  let drained = 0
  const onDrain = (): void => void (drained += 1)
  const hint = ['Link', 'x'.repeat(15_000)]
  while (writer.inform(103, hint, onDrain) !== 'blocked');
  expect(drained).toBe(0)
  client.resume()
  await until(() => drained === 1)
  expect(writer.inform(103, [], onDrain)).toBe('sent')
})

test('many pending short writes cause backpressure', async () => {
  const { writer, client } = await startExchange()
  client.resume()
  writer.begin(HEAD, [])
  let drained = 0
  let writes = 1
  while (writer.write(Buffer.from('x'), () => void (drained += 1))) writes += 1
  expect(writes).toBeLessThanOrEqual(65)
  expect(drained).toBe(0)
  await until(() => drained === 1)
})

test('a head that has not been written can be replaced', async () => {
  const { writer, client } = await startExchange()
  let received = ''
  client.on('data', (chunk: Buffer) => void (received += chunk.toString('latin1')))
  client.resume()
  writer.begin(HEAD, [])
  expect(writer.hasBegun()).toBe(false)
  writer.begin({ status: 502, phrase: undefined, length: 2 }, ['Content-Length', '2'])
  writer.write(Buffer.from('no'), () => {})
  await writer.end([])
  await until(() => received.endsWith('no'))
  expect(received).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
})

test('a body that arrives in a later tick of the same event loop turn is written with its head', async () => {
  const { writer, client } = await startExchange()
  const received: string[] = []
  client.on('data', (chunk: Buffer) => void received.push(chunk.toString('latin1')))
  client.resume()
  writer.begin({ ...HEAD, length: 4 }, ['Content-Length', '4'])
  for (let tick = 0; tick < 3; tick += 1) {
    const { promise, resolve } = Promise.withResolvers<void>()
    process.nextTick(resolve)
    await promise
  }
  expect(writer.hasBegun()).toBe(false)
  writer.write(Buffer.from('body'), () => {})
  await writer.end([])
  await until(() => received.length > 0)
  expect(received).toEqual([expect.stringMatching(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nbody$/s)])
})

test('obs-text in a head that is sent before its body is sent unchanged', async () => {
  const { writer, client } = await startExchange()
  let received = ''
  client.on('data', (chunk: Buffer) => void (received += chunk.toString('latin1')))
  client.resume()
  writer.begin({ ...HEAD, phrase: 'na\xefve' }, ['X-A', 'caf\xe9'])
  await until(() => received.endsWith('\r\n\r\n'))
  expect(received).toMatch(/^HTTP\/1\.1 200 na\xefve\r\nX-A: caf\xe9\r\n/)
  writer.write(Buffer.from('later'), () => {})
  await writer.end([])
  await until(() => received.endsWith('5\r\nlater\r\n0\r\n\r\n'))
})

test('a reset aborts a response whose head has been written', async () => {
  const { writer, res } = await startExchange()
  writer.begin(HEAD, [])
  await until(writer.hasBegun)
  writer.reset(clientClosed())
  expect(res.destroyed).toBe(true)
})

test('a reset before the client has read the end rejects the end with its reason', async () => {
  const { writer } = await startExchange()
  writer.begin(HEAD, [])
  // More than the operating system buffers.
  writer.write(Buffer.alloc(32 * 1024 * 1024), () => {})
  const ended = writer.end([])
  const reason = clientClosed()
  writer.reset(reason)
  await expect(ended).rejects.toBe(reason)
})

/** A request that has arrived, and its client, which does not read. */
async function startExchange() {
  const { promise, resolve } = Promise.withResolvers<[IncomingMessage, ServerResponse]>()
  const server = createServer((req, res) => resolve([req, res]))
  await startListening(server)
  const client = connect(portOf(server), '127.0.0.1')
  onTestFinished(() => void client.destroy())
  client.on('error', () => {})
  client.on('data', () => {})
  client.pause()
  await once(client, 'connect')
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [req, res] = await promise
  return { writer: createHttp1ResponseWriter(req, res), client, res }
}
