import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import type { RoundTrip, UpstreamResponse } from '../http/round-trip.ts'
import { type Connection, createConnection } from './connection.ts'
import type { Connect } from './connector.ts'
import { toUpstreamFailure, upstreamFailure } from '../http/upstream-failure.ts'

/** What goes on at one moment. */
export type Load = {
  /** Connections that are open. */
  readonly connected: number
  /** Requests that have been sent and are not over. */
  readonly running: number
  /** Requests that wait for a connection. */
  readonly queued: number
}

/** The connections to one origin, each for one request at a time. */
export type ConnectionPool = {
  /**
   * Sends a request on the idle connection that was used last; else on a new one; else as soon as one
   * becomes idle.
   */
  readonly roundTrip: RoundTrip
  load(): Load
  /** From now on connections are closed as soon as they are free. */
  retire(): void
  /** Closes them all, whatever is running, and fails it. */
  destroy(): void
}

export type ConnectionPoolOptions = {
  readonly origin: string
  /** The value of `Host` where a request has none. */
  readonly host: string
  readonly maxHeaderBytes: number
  readonly connect: Connect
  readonly most: number
  /** How old a connection may be to be used again. */
  readonly lifetimeSeconds: number
  readonly clock: Clock
}

/** A connection, and since when it is what it is, by the count of seconds. */
type Entry = { readonly connection: Connection; readonly openedAt: number; freeAt: number }

/** A request that waits for a connection. */
type Waiting = {
  readonly use: (connection: Connection) => void
  readonly fail: (error: unknown) => void
}

/** Shorter than most servers keep an idle connection, so that it is we who close it. */
const IDLE_SECONDS = 4
/** However long the server says that it keeps it. */
const MOST_IDLE_SECONDS = 60

/**
 * Those that are free lie on a stack, which lets those that are not needed fall idle, and close
 * (docs/decisions/0012-a-pool-of-our-own.md). One timer for all of them counts the seconds: to ask for
 * the time, and to set a timer, costs each request more than the difference is worth.
 */
export function createConnectionPool(options: ConnectionPoolOptions): ConnectionPool {
  const { origin, host, maxHeaderBytes, connect, most, lifetimeSeconds, clock } = options
  const open = new Set<Entry>()
  const free: Entry[] = []
  const waiting = new Set<Waiting>()
  /** Those that wait for a dedicated connection, and the dedicated connections. */
  const waitingForDedicated = new Set<Waiting>()
  const dedicatedConnections = new Set<Connection>()
  let connecting = 0
  let seconds = 0
  let isTicking = false
  let isRetired = false
  let isDestroyed = false

  const takeWaiting = (): Waiting | undefined => {
    if (waiting.size === 0) return undefined
    const [next] = waiting
    if (next !== undefined) waiting.delete(next)
    return next
  }

  const connectForWaiting = (): void => {
    while (connecting < waiting.size && open.size + connecting < most) {
      connecting += 1
      openSocket((error, socket) => {
        connecting -= 1
        if (socket === null) takeWaiting()?.fail(error)
        else adopt(socket)
        connectForWaiting()
      })
    }
  }

  const openSocket: Connect = (onConnected) => {
    connect((error, socket) => {
      if (isDestroyed && socket !== null) discard(socket)
      else onConnected(error, socket)
    })
  }

  const adopt = (socket: Socket): void => {
    const connection = createConnection(socket, {
      origin,
      host,
      maxHeaderBytes,
      dedicated: false,
      clock,
      onIdle: () => release(entry),
      onClosed: () => remove(entry),
    })
    const entry: Entry = { connection, openedAt: seconds, freeAt: seconds }
    open.add(entry)
    keepTicking()
    use(entry)
  }

  const release = (entry: Entry): void => {
    if (seconds - entry.openedAt >= lifetimeSeconds) drop(entry)
    else use(entry)
  }

  const use = (entry: Entry): void => {
    const next = takeWaiting()
    if (next !== undefined) next.use(entry.connection)
    else if (isRetired || idleSeconds(entry) <= 0) drop(entry)
    else {
      entry.freeAt = seconds
      free.push(entry)
    }
  }

  const drop = (entry: Entry): void => {
    remove(entry)
    entry.connection.destroy(closed())
  }

  const remove = (entry: Entry): void => {
    if (!open.delete(entry)) return
    const at = free.indexOf(entry)
    if (at !== -1) free.splice(at, 1)
    connectForWaiting()
  }

  const keepTicking = (): void => {
    if (isTicking || open.size === 0) return
    isTicking = true
    clock.schedule(1_000, () => {
      isTicking = false
      seconds += 1
      for (const entry of free.filter((each) => seconds - each.freeAt >= idleSeconds(each))) {
        drop(entry)
      }
      keepTicking()
    })
  }

  const closed = () => upstreamFailure(origin, 'reset', 'the connection was closed')

  const connectDedicated = (request: Waiting): void => {
    waitingForDedicated.add(request)
    openSocket((error, socket) => {
      const isWanted = waitingForDedicated.delete(request)
      if (socket === null) {
        if (isWanted) request.fail(error)
      } else if (isWanted) {
        const connection = createConnection(socket, {
          origin,
          host,
          maxHeaderBytes,
          dedicated: true,
          clock,
          onIdle: () => {},
          onClosed: () => dedicatedConnections.delete(connection),
        })
        dedicatedConnections.add(connection)
        request.use(connection)
      } else discard(socket)
    })
  }

  /** Sends the request when it gets a connection, unless `signal` aborts before. */
  const sendLater: RoundTrip = (request, signal) => {
    const sent = Promise.withResolvers<UpstreamResponse>()
    const entry: Waiting = {
      use(connection) {
        signal.removeEventListener('abort', onAbort)
        sent.resolve(connection.send(request, signal))
      },
      fail(error) {
        signal.removeEventListener('abort', onAbort)
        sent.reject(toUpstreamFailure(origin, error))
      },
    }
    const onAbort = (): void => {
      waiting.delete(entry)
      waitingForDedicated.delete(entry)
      entry.fail(signal.reason)
    }
    signal.addEventListener('abort', onAbort)
    if (request.dedicated) connectDedicated(entry)
    else {
      waiting.add(entry)
      connectForWaiting()
    }
    return sent.promise
  }

  return {
    roundTrip(request, signal) {
      if (isDestroyed) return Promise.reject(closed())
      if (signal.aborted) return Promise.reject(toUpstreamFailure(origin, signal.reason))
      const entry = request.dedicated ? undefined : free.pop()
      return entry === undefined
        ? sendLater(request, signal)
        : entry.connection.send(request, signal)
    },
    load: () => ({
      connected: open.size + dedicatedConnections.size,
      running: open.size - free.length + dedicatedConnections.size,
      queued: waiting.size + waitingForDedicated.size,
    }),
    retire() {
      isRetired = true
      for (const entry of free.splice(0)) drop(entry)
    },
    destroy() {
      isDestroyed = true
      const requests = [...waiting, ...waitingForDedicated]
      waiting.clear()
      waitingForDedicated.clear()
      for (const { connection } of open) connection.destroy(closed())
      for (const connection of dedicatedConnections) connection.destroy(closed())
      for (const request of requests) request.fail(closed())
    },
  }
}

/** A second less than the server says, because the last one may be on its way already. */
function idleSeconds({ connection }: Entry): number {
  const announced = connection.keepAliveSeconds()
  return Number.isNaN(announced) ? IDLE_SECONDS : Math.min(announced - 1, MOST_IDLE_SECONDS)
}

function discard(socket: Socket): void {
  socket.on('error', () => {})
  socket.destroy()
}
