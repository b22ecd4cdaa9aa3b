import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { expect, test } from 'vitest'
import { limitConnections } from '../../../src/admin/connection-limit.ts'
import { serveInTurn } from '../../../src/admin/serve-in-turn.ts'
import { openRaw } from '../../helpers/raw-connection.ts'
import { startListening } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
/** More than the buffers of both sockets hold. */
const LARGE = Buffer.alloc(16 * 1024 * 1024, 'x')

type Limited = { readonly origin: string; readonly server: Server; readonly closed: () => number }

async function startLimited(handler: RequestListener, maxConnections = 4): Promise<Limited> {
  let closed = 0
  const server = createServer(handler)
  limitConnections(server, maxConnections, () => {
    closed += 1
  })
  return { origin: await startListening(server), server, closed: () => closed }
}

test('a client that stays silent is disconnected after the idle timeout of 30 s', async () => {
  const { origin, server } = await startLimited(() => {})
  expect(server.timeout).toBe(30_000)
  server.timeout = 50
  const client = await openRaw(origin)
  expect(await client.ended).toBe('end')
})

test('a client that does not read its response is disconnected after the idle timeout', async () => {
  const { origin, server } = await startLimited((_req, res) => void res.end(LARGE))
  server.timeout = 50
  const closed = once(server, 'connection').then(async ([socket]) => await once(socket, 'close'))
  const client = await openRaw(origin, GET)
  client.socket.pause()
  await closed
  expect(client.socket.readableFlowing).toBe(false)
})

test('a client that pipelines requests and does not read is disconnected after the idle timeout', async () => {
  const { origin, server } = await startLimited(serveInTurn((_req, res) => void res.end(LARGE)))
  server.timeout = 50
  const closed = once(server, 'connection').then(async ([socket]) => await once(socket, 'close'))
  const client = await openRaw(origin, GET.repeat(3))
  client.socket.pause()
  await closed
  expect(client.socket.readableFlowing).toBe(false)
})

test('a client that reads slowly receives the whole response', async () => {
  const { origin, server } = await startLimited((_req, res) => void res.end(LARGE))
  server.timeout = 200
  const client = await openRaw(origin, GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  let received = 0
  client.socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    client.socket.pause()
    setTimeout(() => void client.socket.resume(), 1)
  })
  expect(await client.ended).toBe('end')
  expect(received).toBeGreaterThan(LARGE.length)
})

test('a client is not disconnected while its response has not begun', async () => {
  const gate = Promise.withResolvers<void>()
  const { origin, server } = await startLimited((_req, res) => {
    void gate.promise.then(() => res.end('late'))
  })
  server.timeout = 50
  const waiting = await openRaw(origin, GET)
  await once(server, 'request')
  const silent = await openRaw(origin)
  await silent.ended
  gate.resolve()
  await waiting.sees('late')
  expect(waiting.received()).toMatch(/^HTTP\/1\.1 200 /)
})

test('a new connection beyond the limit replaces the one that has been idle for longest', async () => {
  const { origin, closed } = await startLimited((_req, res) => void res.end('ok'), 2)
  const first = await openRaw(origin)
  const second = await openRaw(origin, GET)
  await second.sees('ok')
  const third = await openRaw(origin, GET)
  await third.sees('ok')
  expect(await first.ended).toBe('end')
  expect(closed()).toBe(1)
  second.socket.write(GET)
  await until(() => second.received().match(/ok/g)?.length === 2)
})

test('beyond the limit, a client that does not read its response makes room for a new connection', async () => {
  const { origin } = await startLimited(
    (req, res) => void res.end(req.url === '/' ? LARGE : 'ok'),
    1,
  )
  const stuck = await openRaw(origin, GET)
  stuck.socket.pause()
  await once(stuck.socket, 'readable')
  const client = await openRaw(origin, GET.replace('/', '/livez'))
  await client.sees('ok')
  expect(client.received()).toMatch(/^HTTP\/1\.1 200 /)
})

test('a new connection is closed if all others wait for the beginning of their response', async () => {
  const { origin, server } = await startLimited(() => {}, 1)
  await openRaw(origin, GET)
  await once(server, 'request')
  const client = await openRaw(origin)
  await client.ended
  expect(client.received()).toBe('')
})
