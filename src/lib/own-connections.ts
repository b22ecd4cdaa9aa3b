import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'

/** Recognises connections that this process has opened to itself. */
export type OwnConnections = {
  /** Whether the peer of an accepted connection is a socket of this process. */
  readonly isPeerOf: (accepted: Socket) => boolean
  readonly close: () => void
}

/** Node publishes each socket that it creates for an outgoing connection. */
const CHANNEL = 'net.client.socket'

export function watchOwnConnections(): OwnConnections {
  /** By local address and port. */
  const open = new Map<string, Socket>()
  const onSocket = (message: unknown): void => {
    if (typeof message !== 'object' || message === null || !('socket' in message)) return
    const { socket } = message
    if (!(socket instanceof Socket)) return
    socket.once('connect', () => {
      const end = endpoint(socket.localAddress, socket.localPort)
      open.set(end, socket)
      socket.once('close', () => {
        if (open.get(end) === socket) open.delete(end)
      })
    })
  }
  subscribe(CHANNEL, onSocket)
  return {
    isPeerOf({ remoteAddress, remotePort }) {
      const peer = open.get(endpoint(remoteAddress, remotePort))
      // Connections of other processes to other destinations may have the same local port. The peer of a connection
      // that has not been served has received nothing.
      return peer !== undefined && peer.bytesRead === 0
    },
    close: () => void unsubscribe(CHANNEL, onSocket),
  }
}

/** A socket that listens on "::" reports IPv4 addresses in their IPv6 form. */
function endpoint(address: string | undefined, port: number | undefined): string {
  return `${address?.replace(/^::ffff:/, '')}:${port}`
}
