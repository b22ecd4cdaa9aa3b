import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { portOf } from './servers.ts'

/**
 * Sends bytes unchanged, and returns all received bytes once the peer closes or `isComplete` returns
 * true.
 */
export async function exchangeRaw(
  origin: string,
  request: string,
  isComplete: (received: string) => boolean = () => false,
): Promise<string> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  let received = ''
  const done = Promise.withResolvers<void>()
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    if (isComplete(received)) done.resolve()
  })
  socket.on('error', () => done.resolve())
  socket.on('close', () => done.resolve())
  await once(socket, 'connect')
  socket.write(request, 'latin1')
  await done.promise
  socket.destroy()
  return received
}

export type RawUpstream = {
  readonly origin: string
  /** Every connection, with its received bytes. */
  readonly connections: readonly { readonly received: string; readonly socket: Socket }[]
}

/** An upstream without HTTP: `respond` is called with all received bytes of a connection after each read. */
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

/** Whether a complete request, with a Content-Length or chunked, has been received. */
export function isWholeRequest(received: string): boolean {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return false
  const head = received.slice(0, headEnd).toLowerCase()
  const body = received.slice(headEnd + 4)
  // The last chunk, and a possibly empty trailer section.
  if (head.includes('transfer-encoding: chunked'))
    return /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(body)
  const length = /content-length: (\d+)/.exec(head)?.[1]
  return body.length >= Number(length ?? 0)
}
