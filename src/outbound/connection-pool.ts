import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import type { RoundTrip } from '../http/round-trip.ts'
import { type Connection, createConnection } from './connection.ts'
import type { Connect, EndOfData } from './connector.ts'
import { enqueue, type QueuedRequest } from './queued-request.ts'
import { toUpstreamFailure, upstreamFailure } from '../http/upstream-failure.ts'

/** The current use of connections. */
export type Load = {
  /** Connections that are open. */
  readonly connected: number
  /** Requests that have been sent and are not complete. */
  readonly running: number
  /** Requests that wait for a connection. */
  readonly queued: number
}

export function sumOf(one: Load, other: Load): Load {
  return {
    connected: one.connected + other.connected,
    running: one.running + other.running,
    queued: one.queued + other.queued,
  }
}

/** The connections to one origin, each for one request at a time. */
export type ConnectionPool = {
  /**
   * Sends a request on the idle connection that was used last; else on a new one; else as soon as one
   * becomes idle.
   */
  readonly roundTrip: RoundTrip
  readonly load: () => Load
  /** Uses a connection that was opened elsewhere. */
  readonly adopt: (socket: Socket, end: EndOfData) => void
  /** Removes the requests that wait for a connection. */
  readonly takeQueue: () => readonly QueuedRequest[]
  /** Closes connections as soon as they are idle (drain). */
  readonly retire: () => void
  /** Closes all connections, and fails the requests in progress. */
  readonly destroy: () => void
}

export type ConnectionPoolOptions = {
  readonly origin: string
  /** The value of `Host` where a request has none. */
  readonly host: string
  readonly maxHeaderBytes: number
  readonly connect: Connect
  readonly maxConnections: number
  /** How old a connection may be to be used again. */
  readonly lifetimeSeconds: number
  readonly clock: Clock
}

/** A connection, and when it was opened and became idle, in seconds since the pool was created. */
type Entry = {
  readonly connection: Connection
  readonly end: EndOfData
  readonly openedAt: number
  idleSince: number
}

/** The lifetime of a connection that verifies its end although no response is close-delimited. */
const VERIFIED_SECONDS = 5
/** Shorter than most servers keep an idle connection, so that the sidecar closes it first. */
const IDLE_SECONDS = 4
/** The limit for what a server announces in `Keep-Alive`. */
const MAX_IDLE_SECONDS = 60

/**
 * Idle connections are used in LIFO order, so that surplus ones reach their idle timeout
 * (docs/decisions/0012-connection-pool.md). One timer per pool counts seconds: reading the clock and
 * setting a timer for each request would cost more than the precision is worth.
 */
export function createConnectionPool(options: ConnectionPoolOptions): ConnectionPool {
  const { origin, host, maxHeaderBytes, connect, maxConnections, lifetimeSeconds, clock } = options
  const open = new Set<Entry>()
  const idle: Entry[] = []
  const waiting = new Set<QueuedRequest>()
  /**
   * Whether responses are close-delimited (RFC 9112 section 6.3). Verifying their end over TLS is
   * expensive, so it is done until the first response, and again after the first close-delimited one.
   */
  let framing: 'unknown' | 'close-delimited' | 'delimited' = 'unknown'
  let connecting = 0
  let seconds = 0
  let isTicking = false
  let isRetired = false
  let isDestroyed = false

  /** The oldest request that can use the connection, unless it would overtake an older one. */
  const takeWaiting = (isNew: boolean): QueuedRequest | undefined => {
    if (waiting.size === 0) return undefined
    for (const next of waiting) {
      if (next.request.dedicated && !isNew) {
        if (connecting > 0) continue
        return undefined
      }
      waiting.delete(next)
      return next
    }
    return undefined
  }

  const connectForWaiting = (): void => {
    while (connecting < waiting.size && open.size + connecting < maxConnections) {
      connecting += 1
      connect((error, socket, end) => {
        connecting -= 1
        if (socket !== null) adopt(socket, end)
        // Without an error, another pool uses the connection.
        else if (error !== null) takeWaiting(true)?.fail(error)
        connectForWaiting()
      }, framing !== 'delimited')
    }
  }

  const adopt = (socket: Socket, end: EndOfData): void => {
    if (isDestroyed) {
      discard(socket)
      return
    }
    const next = takeWaiting(true)
    const connection = createConnection(socket, {
      origin,
      host,
      maxHeaderBytes,
      end,
      dedicated: next?.request.dedicated === true,
      clock,
      onFraming(isCloseDelimited) {
        if (isCloseDelimited) framing = 'close-delimited'
        else if (framing === 'unknown') framing = 'delimited'
      },
      onIdle: () => release(entry),
      onClosed: () => remove(entry),
    })
    const entry: Entry = { connection, end, openedAt: seconds, idleSince: seconds }
    open.add(entry)
    keepTicking()
    if (next === undefined) keep(entry)
    else next.sendWith(connection.send)
  }

  const release = (entry: Entry): void => {
    if (seconds - entry.openedAt >= lifetimeOf(entry)) {
      drop(entry)
      return
    }
    const next = takeWaiting(false)
    if (next === undefined) keep(entry)
    else next.sendWith(entry.connection.send)
  }

  /** Keeps an idle connection for the next request. */
  const keep = (entry: Entry): void => {
    // A request that waits for a new connection takes its place within the limit.
    if (isRetired || idleSeconds(entry) <= 0 || connecting < waiting.size) drop(entry)
    else {
      entry.idleSince = seconds
      idle.push(entry)
    }
  }

  /** A connection that verifies its end needlessly is replaced soon by a cheaper one. */
  const lifetimeOf = ({ end }: Entry): number =>
    end.means === 'tls, verified' && framing === 'delimited'
      ? Math.min(VERIFIED_SECONDS, lifetimeSeconds)
      : lifetimeSeconds

  const drop = (entry: Entry): void => {
    remove(entry)
    entry.connection.destroy(closed())
  }

  const remove = (entry: Entry): void => {
    if (!open.delete(entry)) return
    const at = idle.indexOf(entry)
    if (at !== -1) idle.splice(at, 1)
    connectForWaiting()
  }

  const keepTicking = (): void => {
    if (isTicking || open.size === 0) return
    isTicking = true
    clock.schedule(1_000, () => {
      isTicking = false
      seconds += 1
      for (const entry of idle.filter((each) => seconds - each.idleSince >= idleSeconds(each))) {
        drop(entry)
      }
      keepTicking()
    })
  }

  const closed = () => upstreamFailure(origin, 'reset', 'connection closed')

  /** Sends the request when it gets a connection, unless `signal` aborts before. */
  const sendLater: RoundTrip = (request, signal) => {
    const sent = enqueue(waiting, request, signal, origin)
    // The connection that has been idle longest makes room for a dedicated one.
    const [oldest] = request.dedicated && open.size + connecting >= maxConnections ? idle : []
    if (oldest === undefined) connectForWaiting()
    else drop(oldest)
    return sent
  }

  return {
    roundTrip(request, signal) {
      if (isDestroyed) return Promise.reject(closed())
      if (signal.aborted) return Promise.reject(toUpstreamFailure(origin, signal.reason))
      const entry = request.dedicated ? undefined : idle.pop()
      return entry === undefined
        ? sendLater(request, signal)
        : entry.connection.send(request, signal)
    },
    load: () => ({
      connected: open.size,
      running: open.size - idle.length,
      queued: waiting.size,
    }),
    adopt,
    takeQueue() {
      const requests = [...waiting]
      waiting.clear()
      return requests
    },
    retire() {
      isRetired = true
      for (const entry of idle.splice(0)) drop(entry)
    },
    destroy() {
      isDestroyed = true
      const requests = [...waiting]
      waiting.clear()
      for (const { connection } of open) connection.destroy(closed())
      for (const request of requests) request.fail(closed())
    },
  }
}

/** A second less than the server announces, because it may close the connection while a request is in transit. */
function idleSeconds({ connection }: Entry): number {
  const announced = connection.keepAliveSeconds()
  return Number.isNaN(announced) ? IDLE_SECONDS : Math.min(announced - 1, MAX_IDLE_SECONDS)
}

function discard(socket: Socket): void {
  socket.on('error', () => {})
  socket.destroy()
}
