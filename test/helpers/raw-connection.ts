import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { until } from './wait.ts'

/** One side of a connection, which a test writes to and ends as it likes. */
export type RawConnection = {
  readonly socket: Socket
  /** Every byte that has come, as latin1. */
  received(): string
  /** Settles when `text` has come. */
  sees(text: string): Promise<void>
  /** Settles when the other side has ended: with FIN, or by breaking off. */
  readonly ended: Promise<'end' | 'reset'>
}

/** A connection that does not end its own side when the other one ends, open until the test is over. */
export async function openRaw(origin: string, first = ''): Promise<RawConnection> {
  const { hostname, port } = new URL(origin)
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  // So that nobody takes it for a client that has only stopped sending.
  onTestFinished(() => void socket.resetAndDestroy())
  const connection = follow(socket)
  await once(socket, 'connect')
  if (first !== '') socket.write(first, 'latin1')
  return connection
}

/** The same for a socket that is there already. */
export function follow(socket: Socket): RawConnection {
  let received = ''
  const ended = Promise.withResolvers<'end' | 'reset'>()
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
  })
  socket.on('end', () => ended.resolve('end'))
  socket.on('error', () => ended.resolve('reset'))
  socket.on('close', () => ended.resolve('reset'))
  return {
    socket,
    received: () => received,
    sees: async (text) => await until(() => received.includes(text)),
    ended: ended.promise,
  }
}
