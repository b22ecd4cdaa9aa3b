import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import { startListening } from './servers.ts'

/** An upgrade request and the response that accepts it (RFC 9110 section 7.8). */
export const HANDSHAKE = 'Connection: Upgrade\r\nUpgrade: custom/1\r\n'
export const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\n${HANDSHAKE}\r\n`

export function handshake(path = '/orders', headers = HANDSHAKE): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
}

export type SwitchingServer = {
  readonly origin: string
  /** Every upgrade request. */
  readonly handshakes: readonly IncomingMessage[]
  /** The open connections of upgrade requests. */
  readonly open: ReadonlySet<Duplex>
}

/** An HTTP server that passes upgraded connections to `onUpgrade`, which sends the response. */
export async function startSwitchingServer(
  onUpgrade: (socket: Socket, request: IncomingMessage, early: Buffer) => void,
  onRequest: RequestListener = (_req, res) => void res.end('no tunnel'),
): Promise<SwitchingServer> {
  const handshakes: IncomingMessage[] = []
  const open = new Set<Duplex>()
  const server = createServer(onRequest)
  server.on('upgrade', (request, socket, early) => {
    handshakes.push(request)
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    if (socket instanceof Socket) onUpgrade(socket, request, early)
  })
  const origin = await startListening(server)
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
  })
  return { origin, handshakes, open }
}
