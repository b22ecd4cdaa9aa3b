import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A client that does not read its response, or sends nothing, is disconnected after this. */
const IDLE_MS = 30_000

/** The responses of a connection that are not yet sent, in the order of their requests. */
type Unsent = Set<ServerResponse>

/**
 * Keeps the number of connections to the admin listener below `maxConnections`. The connection that has
 * been idle for longest is closed instead of the new one, which may be the probe of `/readyz`.
 */
export function limitConnections(
  server: Server,
  maxConnections: number,
  onClosed: () => void,
): void {
  /** In the order of their last request. */
  const open = new Map<Socket, Unsent>()

  server.on('connection', (socket) => {
    if (open.size >= maxConnections) {
      onClosed()
      const closing = firstWhere(isIdle) ?? firstWhere(isWaitingForClient)
      if (closing === undefined) {
        socket.destroy()
        return
      }
      open.delete(closing)
      closing.destroy()
    }
    open.set(socket, new Set())
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', ({ socket }, res) => {
    const unsent = open.get(socket)
    if (unsent === undefined) return
    unsent.add(res)
    res.once('close', () => unsent.delete(res))
    open.delete(socket)
    open.set(socket, unsent)
  })
  // A response that takes long to begin, such as that of a renewal, is not the client's fault.
  server.setTimeout(IDLE_MS, (socket: Socket) => {
    if (isWaitingForClient(open.get(socket) ?? new Set())) socket.destroy()
  })

  function firstWhere(isClosable: (unsent: Unsent) => boolean): Socket | undefined {
    for (const [socket, unsent] of open) if (isClosable(unsent)) return socket
    return undefined
  }
}

function isIdle(unsent: Unsent): boolean {
  return unsent.size === 0
}

/** Whether the client has to act next: to read, or to send another request. */
function isWaitingForClient(unsent: Unsent): boolean {
  const [current] = unsent
  return current === undefined || current.writableEnded
}
