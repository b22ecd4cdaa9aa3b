import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** The connections of clients that are open, and what is due on them. */
export type Connections = {
  opened(socket: Duplex): void
  readonly has: (socket: Duplex) => boolean
  /** Whether there were too many already when it was opened. */
  isSurplus(socket: Duplex): boolean
  /** How many there may be, from now on. */
  limit(most: number): void
  /**
   * Has a request served when every answer that was due before is out. RFC 9112 section 9.3.2: requests
   * in a row are done in a row, because a later one may build upon what an earlier one does.
   */
  next(req: IncomingMessage, res: ServerResponse, serve: Serve): void
  /** The last answer that is due; undefined if none is. */
  lastDue(socket: Duplex): ServerResponse | undefined
  /** Whether the last response is out while the body of its request is still on its way. */
  isDraining(socket: Duplex): boolean
  all(): Iterable<Duplex>
}

type Serve = (req: IncomingMessage, res: ServerResponse) => void

type State = {
  readonly isSurplus: boolean
  last: ServerResponse | undefined
  /** How many requests wait for their turn. */
  waiting: number
}

/** With more requests in a row than this, the connection is not read until some are answered. */
const MOST_WAITING = 8

export function createConnections(): Connections {
  const open = new Map<Duplex, State>()
  let limit = Infinity
  const lastDue = (socket: Duplex): ServerResponse | undefined => {
    const last = open.get(socket)?.last
    return last?.closed === false ? last : undefined
  }
  return {
    opened(socket) {
      const state: State = { isSurplus: open.size >= limit, last: undefined, waiting: 0 }
      open.set(socket, state)
      socket.once('close', () => open.delete(socket))
      // node:http goes on reading after each request, whoever has paused.
      socket.on('resume', () => {
        if (state.waiting > MOST_WAITING) socket.pause()
      })
    },
    has: (socket) => open.has(socket),
    isSurplus: (socket) => open.get(socket)?.isSurplus === true,
    limit(changed) {
      limit = changed
    },
    next(req, res, serve) {
      const { socket } = req
      const state = open.get(socket)
      const before = state?.last
      if (state !== undefined) state.last = res
      if (state === undefined || before === undefined || before.closed) {
        serve(req, res)
        return
      }
      state.waiting += 1
      if (state.waiting > MOST_WAITING) socket.pause()
      before.once('close', () => {
        state.waiting -= 1
        // The answer before may have been the last one, as it said.
        if (socket.writable) serve(req, res)
        if (state.waiting <= MOST_WAITING) socket.resume()
      })
    },
    lastDue,
    isDraining(socket) {
      const last = open.get(socket)?.last
      return last?.closed === true && !last.req.complete
    },
    all: () => open.keys(),
  }
}
