import type { Duplex } from 'node:stream'
import type { ConnectionOrigin, InboundRequest } from '../http/inbound-request.ts'
import type { IntegrationMode } from '../lib/integration-mode.ts'

/** A connection that a client has opened to another origin than the sidecar. */
export type OriginConnection = InboundRequest['connection'] & {
  readonly origin: ConnectionOrigin
  /** Called for each request. */
  readonly onUsed: () => void
}

/** The connections of a listener that were opened to another origin. */
export type ServedOrigins = {
  readonly add: (socket: Duplex, connection: OriginConnection) => void
  /** Undefined for a connection to the sidecar itself. */
  readonly of: (socket: Duplex) => OriginConnection | undefined
}

export function createServedOrigins(): ServedOrigins {
  const connections = new WeakMap<Duplex, OriginConnection>()
  // Spares the look-up for each request where there are none.
  let isEmpty = true
  return {
    add(socket, connection) {
      isEmpty = false
      connections.set(socket, connection)
    },
    of: (socket) => (isEmpty ? undefined : connections.get(socket)),
  }
}

/** `own` is the mode of requests in origin-form. */
export function modeOf(
  target: string,
  origin: ConnectionOrigin | undefined,
  own: Extract<IntegrationMode, 'base_url' | 'unix_socket'>,
): IntegrationMode {
  if (origin !== undefined) return origin.mode
  if (own === 'unix_socket') return own
  return target.startsWith('/') || target === '*' ? own : 'http_proxy'
}
