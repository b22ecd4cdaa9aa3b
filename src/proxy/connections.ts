import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** The connections of clients that are open, and what is due on them. */
export type Connections = {
  opened(socket: Duplex): void
  /** Whether there were too many already when it was opened. */
  isSurplus(socket: Duplex): boolean
  /** How many there may be, from now on. */
  limit(most: number): void
  /**
   * Runs `act` when every answer that was due before is out. RFC 9112 section 9.3.2: requests in a
   * row are done in a row, because a later one may build upon what an earlier one does.
   */
  next(socket: Duplex, res: ServerResponse, act: () => void): void
  /** The last answer that is due; undefined if none is. */
  lastDue(socket: Duplex): ServerResponse | undefined
  all(): Iterable<Duplex>
}

type State = {
  readonly isSurplus: boolean
  last: ServerResponse | undefined
}

export function createConnections(): Connections {
  const open = new Map<Duplex, State>()
  let limit = Infinity
  const lastDue = (socket: Duplex): ServerResponse | undefined => {
    const last = open.get(socket)?.last
    return last?.closed === false ? last : undefined
  }
  return {
    opened(socket) {
      open.set(socket, { isSurplus: open.size >= limit, last: undefined })
      socket.once('close', () => open.delete(socket))
    },
    isSurplus: (socket) => open.get(socket)?.isSurplus === true,
    limit(changed) {
      limit = changed
    },
    next(socket, res, act) {
      const before = lastDue(socket)
      const state = open.get(socket)
      if (state !== undefined) state.last = res
      if (before === undefined) act()
      else
        before.once('close', () => {
          if (!socket.destroyed) act()
        })
    },
    lastDue,
    all: () => open.keys(),
  }
}
