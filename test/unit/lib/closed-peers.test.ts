import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { closedPeers, closedSockets } from '../../../src/lib/closed-peers.ts'
import { portOf } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: 0100007F:8EA2 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 101 2 0 20 0 0 12 -1
   2: 0100007F:8EB0 0100007F:1F90 05 00000000:00000000 03:0000176A 00000000     0        0 0 3 0
   3: 0100007F:8EB1 0100007F:1F90 04 00000000:00000000 03:0000176A 00000000     0        0 0 3 0
   4: 0100007F:8EB2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 0 0 10 -1
`

test('sockets that have ended and that no process holds are closed', () => {
  expect([...closedSockets(TABLE)]).toEqual([
    '0100007F:8EB0 0100007F:1F90',
    '0100007F:8EB1 0100007F:1F90',
  ])
})

test('a table that is not there, or of another kind, has no closed sockets', () => {
  expect([...closedSockets('')]).toEqual([])
  expect([...closedSockets('a\n\n  b c\n0 0 0 0 0 0 0 0 0 0')]).toEqual([])
})

test('a connection that was reset is reported', async () => {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const client = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true })
  const [accepted]: Socket[] = await once(server, 'connection')
  if (accepted === undefined) throw new TypeError('expected a connection')
  onTestFinished(() => void accepted.destroy())
  accepted.resume()
  client.end()
  await once(accepted, 'end')
  expect(await closedPeers([accepted])).toEqual([])
  client.destroy()
  await once(client, 'close')
  accepted.on('error', () => {})
  // The kernel of a client whose socket is closed answers data with a reset.
  accepted.write('late')
  await until(async () => (await closedPeers([accepted])).length > 0)
})

test.for(['127.0.0.1', '::1', '::ffff:127.0.0.1'])(
  'of the clients on %s only those that have closed are reported',
  async (host) => {
    const accepted: Socket[] = []
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      onTestFinished(() => void socket.destroy())
      accepted.push(socket.resume())
    })
    server.listen(0, host === '::1' ? '::1' : '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const clients: Socket[] = []
    // One after the other, so that both sides are in the same order.
    for (let i = 0; i < 3; i += 1) {
      const client = connect({ host, port: portOf(server), allowHalfOpen: true })
      onTestFinished(() => void client.destroy())
      await once(client, 'connect')
      await until(() => accepted.length === i + 1)
      clients.push(client)
    }
    clients[1]?.end()
    clients[2]?.destroy()
    await until(() => accepted[1]?.readableEnded === true && accepted[2]?.readableEnded === true)
    await until(async () => (await closedPeers(accepted)).length > 0)
    expect(await closedPeers(accepted)).toEqual([accepted[2]])
  },
)
