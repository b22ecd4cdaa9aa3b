import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectionCount } from './connection-count.ts'

/** The open connections of clients, and their pending responses. */
export type Connections = {
  readonly opened: (socket: Duplex) => void
  /** For TLS inside of a connection that is counted already. */
  readonly openedWithin: (socket: Duplex) => void
  readonly has: (socket: Duplex) => boolean
  /** Whether the limit had been reached when it was opened. */
  readonly isSurplus: (socket: Duplex) => boolean
  /**
   * Serves a request when all earlier responses have been sent. RFC 9112 section 9.3.2: pipelined
   * requests are processed in order, because a later one may depend on the effect of an earlier one.
   */
  readonly enqueue: (req: IncomingMessage, res: ServerResponse, serve: Serve) => void
  /** The last response that has not been sent; undefined if there is none. */
  readonly pendingResponse: (socket: Duplex) => ServerResponse | undefined
  /** Whether the last response has been sent before the body of its request was received. */
  readonly isDraining: (socket: Duplex) => boolean
  readonly all: () => Iterable<Duplex>
}

type Serve = (req: IncomingMessage, res: ServerResponse) => void

type State = {
  readonly isSurplus: boolean
  last: ServerResponse | undefined
  /** How many requests wait for earlier responses. */
  queued: number
}

/** With more pipelined requests than this, the connection is not read until some have been served. */
const MAX_PIPELINED = 8

export function createConnections(count: Pick<ConnectionCount, 'opened' | 'exclude'>): Connections {
  const open = new Map<Duplex, State>()
  const add = (socket: Duplex, isSurplus: boolean): void => {
    const state: State = { isSurplus, last: undefined, queued: 0 }
    open.set(socket, state)
    socket.once('close', () => open.delete(socket))
    // node:http resumes the socket after each request, even if it was paused here.
    socket.on('resume', () => {
      if (state.queued > MAX_PIPELINED) socket.pause()
    })
  }
  const pendingResponse = (socket: Duplex): ServerResponse | undefined => {
    const last = open.get(socket)?.last
    return last?.closed === false ? last : undefined
  }
  return {
    opened(socket) {
      // Its event is emitted for a connection inside of another one as well.
      if (!open.has(socket)) add(socket, count.opened(socket))
    },
    openedWithin(socket) {
      count.exclude(socket)
      add(socket, false)
    },
    has: (socket) => open.has(socket),
    isSurplus: (socket) => open.get(socket)?.isSurplus === true,
    enqueue(req, res, serve) {
      const { socket } = req
      const state = open.get(socket)
      const previous = state?.last
      if (state !== undefined) state.last = res
      if (state === undefined || previous === undefined || previous.closed) {
        serve(req, res)
        return
      }
      state.queued += 1
      if (state.queued > MAX_PIPELINED) socket.pause()
      previous.once('close', () => {
        state.queued -= 1
        // The previous response may have closed the connection.
        if (socket.writable) serve(req, res)
        if (state.queued <= MAX_PIPELINED) socket.resume()
      })
    },
    pendingResponse,
    isDraining(socket) {
      const last = open.get(socket)?.last
      return last?.closed === true && !last.req.complete
    },
    all: () => open.keys(),
  }
}
