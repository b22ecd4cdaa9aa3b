import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A client that does not read its response, or sends nothing, is disconnected after this. */
const IDLE_MS = 30_000

/**
 * Keeps the number of connections to the admin listener below `maxConnections`. It is the connection that
 * has been idle for longest that is closed, not the new one: that one may be the probe of `/readyz`.
 */
export function limitConnections(
  server: Server,
  maxConnections: number,
  onClosed: () => void,
): void {
  /** In the order of their last request. */
  const open = new Map<Socket, ServerResponse | undefined>()

  server.on('connection', (socket) => {
    if (open.size >= maxConnections) {
      onClosed()
      const closing = firstWhere(isIdle) ?? firstWhere(isWritten)
      if (closing === undefined) {
        socket.destroy()
        return
      }
      open.delete(closing)
      closing.destroy()
    }
    open.set(socket, undefined)
    socket.once('close', () => open.delete(socket))
  })
  server.on('request', ({ socket }, res) => {
    if (!open.delete(socket)) return
    open.set(socket, res)
  })
  // A response that takes long to begin, such as that of a renewal, is not the client's fault.
  server.setTimeout(IDLE_MS, (socket: Socket) => {
    if (isWritten(open.get(socket))) socket.destroy()
  })

  function firstWhere(isClosable: (last: ServerResponse | undefined) => boolean) {
    for (const [socket, last] of open) if (isClosable(last)) return socket
    return undefined
  }
}

function isIdle(last: ServerResponse | undefined): boolean {
  return last === undefined || last.closed
}

/** Whether all that is left to do is the client's: to read, or to send another request. */
function isWritten(last: ServerResponse | undefined): boolean {
  return last === undefined || last.writableEnded || last.closed
}
