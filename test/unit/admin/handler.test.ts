import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { createAdminServer } from '../../../src/admin/handler.ts'
import { refuseUnreadable } from '../../../src/admin/refuse-unreadable.ts'
import { serveInTurn } from '../../../src/admin/serve-in-turn.ts'
import { openRaw } from '../../helpers/raw-connection.ts'
import { startListening } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

function unused(): never {
  throw new Error('expected no request')
}

function createSidecarAdmin() {
  const server = createAdminServer({
    readiness: unused,
    status: unused,
    history: unused,
    metrics: { expose: unused, contentType: 'text/plain' },
    renew: unused,
    quit: unused,
    checkRequest: () => ({ path: '/livez', query: '' }),
  })
  const refused: string[] = []
  refuseUnreadable(server, ({ code }) => void refused.push(code))
  return { server, refused }
}

const GET = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n'

test('a client that does not complete its request head within 10 s gets a 408', async () => {
  const { server, refused } = createSidecarAdmin()
  expect(server.headersTimeout).toBe(10_000)
  server.headersTimeout = 50
  const client = await openRaw(await startListening(server), GET)
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/^HTTP\/1\.1 408 [^]*"code": "request_timeout"/)
  expect(refused).toEqual([])
})

test('a client that does not complete its request body within 30 s is disconnected', async () => {
  const { server } = createSidecarAdmin()
  expect(server.requestTimeout).toBe(30_000)
  server.headersTimeout = 50
  server.requestTimeout = 50
  const client = await openRaw(
    await startListening(server),
    `${GET}Content-Length: 10\r\n\r\nhello`,
  )
  await client.ended
  expect(client.received()).toMatch(/^HTTP\/1\.1 200 /)
})

test('a persistent connection is closed when no further request arrives', async () => {
  const { server } = createSidecarAdmin()
  expect(server.keepAliveTimeout).toBe(60_000)
  server.keepAliveTimeout = 50
  const client = await openRaw(await startListening(server), `${GET}\r\n`)
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/^HTTP\/1\.1 200 /)
})

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
}

test('pipelined requests get their responses in order, each built when the one before is sent', async () => {
  const gate = Promise.withResolvers<void>()
  const asked: string[] = []
  const server = createServer(
    serveInTurn((req, res) => {
      asked.push(req.url ?? '')
      void gate.promise.then(() => res.end(req.url))
    }),
  )
  const client = await openRaw(await startListening(server), get('/1') + get('/2') + get('/3'))
  await until(() => asked.length > 0)
  expect(asked).toEqual(['/1'])
  gate.resolve()
  await client.sees('/3')
  expect(client.received().match(/^\/\d/gm)).toEqual(['/1', '/2', '/3'])
  client.socket.write(get('/4'))
  await client.sees('/4')
})

test('a connection with more than nine pipelined requests is closed', async () => {
  let served = 0
  const server = createServer(
    serveInTurn(() => {
      served += 1
    }),
  )
  const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const client = await openRaw(await startListening(server), request.repeat(10))
  await client.ended
  expect(served).toBe(1)
})
