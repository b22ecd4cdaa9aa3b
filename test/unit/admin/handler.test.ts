import { expect, test } from 'vitest'
import { createAdminServer } from '../../../src/admin/handler.ts'
import { refuseUnreadable } from '../../../src/admin/refuse-unreadable.ts'
import { openRaw } from '../../helpers/raw-connection.ts'
import { startListening } from '../../helpers/servers.ts'

function createServer() {
  const unused = (): never => {
    throw new Error('expected no request')
  }
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
  const { server, refused } = createServer()
  expect(server.headersTimeout).toBe(10_000)
  server.headersTimeout = 50
  const client = await openRaw(await startListening(server), GET)
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/^HTTP\/1\.1 408 [^]*"code": "request_timeout"/)
  expect(refused).toEqual([])
})

test('a client that does not complete its request body within 30 s is disconnected', async () => {
  const { server } = createServer()
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
  const { server } = createServer()
  expect(server.keepAliveTimeout).toBe(60_000)
  server.keepAliveTimeout = 50
  const client = await openRaw(await startListening(server), `${GET}\r\n`)
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/^HTTP\/1\.1 200 /)
})
