import type { RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Scrapers and probes do not pipeline. */
const MAX_WAITING = 8

/**
 * Serves pipelined requests one after the other, and closes a connection with too many of them. node:http
 * would hand over all at once, and a client that does not read could make the sidecar build thousands of
 * responses in memory.
 */
export function serveInTurn(handle: RequestListener): RequestListener {
  const connections = new WeakMap<Socket, { last: ServerResponse; waiting: number }>()
  return (req, res) => {
    const { socket } = req
    const connection = connections.get(socket)
    if (connection === undefined) connections.set(socket, { last: res, waiting: 0 })
    if (connection === undefined || connection.last.closed) {
      if (connection !== undefined) connection.last = res
      handle(req, res)
      return
    }
    if (connection.waiting >= MAX_WAITING) {
      socket.destroy()
      return
    }
    connection.waiting += 1
    connection.last.once('close', () => {
      connection.waiting -= 1
      if (socket.writable) handle(req, res)
    })
    connection.last = res
  }
}
