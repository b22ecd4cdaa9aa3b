import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { portOf } from './servers.ts'

/**
 * Sends bytes as they are and returns every byte that comes back until the peer closes, or until
 * `isComplete` says that it is enough.
 */
export async function exchangeRaw(
  origin: string,
  request: string,
  isComplete: (received: string) => boolean = () => false,
): Promise<string> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  let received = ''
  const enough = Promise.withResolvers<void>()
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    if (isComplete(received)) enough.resolve()
  })
  socket.on('error', () => enough.resolve())
  socket.on('close', () => enough.resolve())
  await once(socket, 'connect')
  socket.write(request, 'latin1')
  await enough.promise
  socket.destroy()
  return received
}

export type RawUpstream = {
  readonly origin: string
  /** Every connection, with the bytes that it has received. */
  readonly connections: readonly { readonly received: string; readonly socket: Socket }[]
}

/** An upstream without any HTTP in it: `respond` sees the bytes of a connection and may write. */
export async function startRawUpstream(
  respond: (received: string, socket: Socket) => void,
): Promise<RawUpstream> {
  const connections: { received: string; readonly socket: Socket }[] = []
  const server = createServer((socket) => {
    const connection = { received: '', socket }
    connections.push(connection)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      connection.received += chunk.toString('latin1')
      respond(connection.received, socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const { socket } of connections) socket.destroy()
    const closed = once(server, 'close')
    server.close()
    await closed
  })
  return { origin: `http://127.0.0.1:${portOf(server)}`, connections }
}

/** Whether a whole request, of a known length or chunked, has been received. */
export function isWholeRequest(received: string): boolean {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return false
  const head = received.slice(0, headEnd).toLowerCase()
  const body = received.slice(headEnd + 4)
  // The last chunk, and a trailer section that may be empty.
  if (head.includes('transfer-encoding: chunked'))
    return /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(body)
  const length = /content-length: (\d+)/.exec(head)?.[1]
  return body.length >= Number(length ?? 0)
}
