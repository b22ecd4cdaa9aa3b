import type { Duplex } from 'node:stream'
import type { InboundRequest } from '../http/inbound-request.ts'
import type { Connections } from './connections.ts'
import type { PreparedHandshake } from './intercept.ts'
import type { OriginConnection } from './served-origins.ts'

export type InterceptedConnections = {
  /** Serves the connection inside of the tunnel like one to the listener, until it closes. */
  readonly intercept: (
    client: Duplex,
    connection: InboundRequest['connection'],
    handshake: PreparedHandshake,
  ) => void
  /** Closes connections, also later ones, on which the client has not begun the handshake. */
  readonly closeIdle: () => void
}

export type InterceptedConnectionsOptions = {
  readonly connections: Pick<Connections, 'openedWithin'>
  /** Serves HTTP on a connection. */
  readonly serve: (secure: Duplex, connection: OriginConnection) => void
}

/** Connections on which the sidecar stands in for the host that the client called. */
export function createInterceptedConnections({
  connections,
  serve,
}: InterceptedConnectionsOptions): InterceptedConnections {
  /** Clients in a TLS handshake, each with a function that closes its connection if nothing was received. */
  const handshaking = new Map<Duplex, () => void>()
  let isEnding = false
  return {
    intercept(client, { remoteAddress, localPort, openedBy }, handshake) {
      const closeIdle = handshake.begin(client, ({ secure, origin, onUsed }) => {
        handshaking.delete(client)
        connections.openedWithin(secure)
        serve(secure, { remoteAddress, localPort, encrypted: true, origin, openedBy, onUsed })
      })
      if (client.destroyed) return
      handshaking.set(client, closeIdle)
      client.once('close', () => handshaking.delete(client))
      if (isEnding) closeIdle()
    },
    closeIdle() {
      isEnding = true
      for (const closeIdle of handshaking.values()) closeIdle()
    },
  }
}
