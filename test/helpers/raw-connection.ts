import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { until } from './wait.ts'

/** One side of a connection that a test controls. */
export type RawConnection = {
  readonly socket: Socket
  /** Everything received so far, as latin1. */
  received(): string
  /** Resolves when `text` has been received. */
  sees(text: string): Promise<void>
  /** Resolves when the other side has ended, with FIN or a reset. */
  readonly ended: Promise<'end' | 'reset'>
}

/** A half-open connection until the end of the test. */
export async function openRaw(origin: string, first = ''): Promise<RawConnection> {
  const { hostname, port } = new URL(origin)
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  // A reset, because a FIN would be a half-close.
  onTestFinished(() => void socket.resetAndDestroy())
  const connection = follow(socket)
  await once(socket, 'connect')
  if (first !== '') socket.write(first, 'latin1')
  return connection
}

/** Follows an existing socket. */
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
