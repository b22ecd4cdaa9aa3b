import type { Client, Dispatcher } from 'undici'
import type { Clock } from '../lib/clock.ts'

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler

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
  /** Sends a request on the free connection that was used last; else on a new one; else as soon as one is free. */
  dispatch(options: Options, handler: Handler): void
  load(): Load
  /** Takes back a request that still waits for a connection. */
  forget(handler: Handler): void
  /** From now on connections are closed as soon as they are free. */
  retire(): void
  /** Closes them all, whatever is running, and fails what waits. */
  destroy(): Promise<void>
}

export type ConnectionPoolOptions = {
  /** A client for one connection, without pipelining; it connects when it is used, and again when it has to. */
  readonly open: () => Client
  readonly most: number
  /** How old a connection may be to be used again. */
  readonly lifetimeMs: number
  readonly clock: Clock
}

type Connection = { readonly client: Client; openedAtMs: number }

/**
 * undici's own pool looks at its connections one by one, twice for each request: with 32 of them that
 * was a tenth of all that a request costs (docs/performance.md). Here, those that are free lie on a
 * stack, which also lets the others fall idle, and close.
 */
export function createConnectionPool(options: ConnectionPoolOptions): ConnectionPool {
  const { open, most, lifetimeMs, clock } = options
  const all = new Set<Connection>()
  const free: Connection[] = []
  const waiting = new Map<Handler, Options>()
  let isRetired = false

  const connect = (): Connection => {
    const connection = { client: open(), openedAtMs: clock.monotonicMs() }
    all.add(connection)
    connection.client.on('connect', () => {
      connection.openedAtMs = clock.monotonicMs()
    })
    // Also after a connection that broke, or never came about: the client makes another when asked.
    connection.client.on('drain', () => {
      if (all.has(connection)) release(connection)
    })
    return connection
  }

  const takeWaiting = (): [Options, Handler] | undefined => {
    // Most of the time nobody waits, and that is cheaper to see than to iterate over.
    if (waiting.size === 0) return undefined
    const [next] = waiting
    if (next === undefined) return undefined
    waiting.delete(next[0])
    return [next[1], next[0]]
  }

  const send = (connection: Connection, request: Options, handler: Handler): void => {
    connection.client.dispatch(request, handler)
    // What undici refuses to send has failed by now, and nothing will tell that the client is free.
    if (connection.client.stats.size === 0) drop(connection)
  }

  const release = (connection: Connection): void => {
    if (clock.monotonicMs() - connection.openedAtMs > lifetimeMs) {
      drop(connection)
      return
    }
    const next = takeWaiting()
    if (next !== undefined) send(connection, ...next)
    else if (isRetired) drop(connection)
    else free.push(connection)
  }

  const drop = (connection: Connection): void => {
    all.delete(connection)
    void connection.client.close()
    const next = takeWaiting()
    if (next !== undefined) send(connect(), ...next)
  }

  return {
    dispatch(request, handler) {
      const connection = free.pop() ?? (all.size < most ? connect() : undefined)
      if (connection === undefined) waiting.set(handler, request)
      else send(connection, request, handler)
    },
    load() {
      let connected = 0
      let running = 0
      for (const { client } of all) {
        const { stats } = client
        connected += Number(stats.connected)
        running += stats.running
      }
      return { connected, running, queued: waiting.size }
    },
    forget(handler) {
      waiting.delete(handler)
    },
    retire() {
      isRetired = true
      for (const connection of free.splice(0)) drop(connection)
    },
    async destroy() {
      const clients = [...all].map(({ client }) => client)
      all.clear()
      free.length = 0
      const destroyed = clients.map(async (client) => await client.destroy())
      // A client that is no more fails whatever it is given.
      for (const [handler, request] of waiting) clients[0]?.dispatch(request, handler)
      waiting.clear()
      await Promise.all(destroyed)
    },
  }
}
