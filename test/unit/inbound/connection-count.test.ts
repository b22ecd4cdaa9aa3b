import { createServer, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { createConnectionCount } from '../../../src/inbound/connection-count.ts'

test('a connection inside of another one is not counted again by the server that emits its event', () => {
  const server = createServer()
  const other = createServer()
  const count = createConnectionCount({ connections: 10, surplusConnections: 0 })
  count.addServer(server)
  count.addServer(other)
  server.emit('connection', new Socket())
  expect(other.maxConnections).toBe(9)
  const inner = new Socket()
  count.exclude(inner)
  server.emit('connection', inner)
  expect(other.maxConnections).toBe(9)
})
