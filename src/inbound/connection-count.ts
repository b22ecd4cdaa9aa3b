import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'

/** The open connections of all proxy listeners together, and the limits on them. */
export type ConnectionCount = {
  readonly setLimits: (limits: CountLimits) => void
  /** Applies the limits to the connections that this server accepts from now on. */
  readonly addServer: (server: Server) => void
  /** Counts a connection that is ready for HTTP. Returns whether `connections` had been reached. */
  readonly opened: (socket: Duplex) => boolean
  /** For a connection inside of one that is counted already; before a server emits its event. */
  readonly exclude: (socket: Duplex) => void
}

export type CountLimits = {
  readonly connections: number
  /** Connections beyond `connections` that get a 503; further ones are closed at once. */
  readonly surplusConnections: number
}

export function createConnectionCount(first: CountLimits): ConnectionCount {
  let limits = first
  /** With the number of connections that each has accepted, including those in a TLS handshake. */
  const servers = new Map<Server, number>()
  const excluded = new WeakSet<Duplex>()
  let accepted = 0
  let ready = 0

  /** `maxConnections` limits one server, so each may accept what the others have left. */
  function distribute(): void {
    const left = Math.max(0, limits.connections + limits.surplusConnections - accepted)
    for (const [server, own] of servers) server.maxConnections = own + left
  }

  function count(server: Server, change: number): void {
    servers.set(server, (servers.get(server) ?? 0) + change)
    accepted += change
    distribute()
  }

  return {
    setLimits(changed) {
      limits = changed
      distribute()
    },
    addServer(server) {
      count(server, 0)
      server.on('connection', (socket) => {
        if (excluded.has(socket)) return
        count(server, 1)
        socket.once('close', () => count(server, -1))
      })
    },
    opened(socket) {
      const isSurplus = ready >= limits.connections
      ready += 1
      socket.once('close', () => {
        ready -= 1
      })
      return isSurplus
    },
    exclude: (socket) => void excluded.add(socket),
  }
}
