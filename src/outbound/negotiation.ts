import type { Socket } from 'node:net'
import { upstreamFailure } from '../http/upstream-failure.ts'
import { type ConnectionPool, sumOf } from './connection-pool.ts'
import { type Connect, type EndOfData, negotiatedProtocol, type AlpnProtocol } from './connector.ts'

/** The protocol that the upstream has chosen last; undefined before the first connection. */
export type Negotiated = { protocol: AlpnProtocol | undefined }

export type NegotiatingPoolOptions = {
  /** Offers both protocols. */
  readonly connect: Connect
  /** Creates a pool for each protocol, with connections of `connect`. */
  readonly connections: (connect: Connect) => ConnectionPool
  readonly sessions: (connect: Connect) => ConnectionPool
  /** For requests that must use HTTP/1.1 while the upstream prefers HTTP/2. */
  readonly http1Only: ConnectionPool
  readonly negotiated: Negotiated
}

export type NegotiatingPool = ConnectionPool & {
  /** The protocol that the upstream has chosen last, after connecting if there is none; undefined if that fails. */
  readonly negotiate: () => Promise<AlpnProtocol | undefined>
}

/**
 * Uses the protocol that TLS negotiates (RFC 7301). It can change with each new connection: this is
 * then used for the other protocol, and so are the requests that waited for it.
 */
export function createNegotiatingPool(options: NegotiatingPoolOptions): NegotiatingPool {
  const { connect, connections, sessions, http1Only, negotiated } = options

  const connectFor =
    (own: AlpnProtocol): Connect =>
    (onConnected, verifiesEnd) => {
      // The first connection may have to serve close-delimited responses.
      const isUnknown = negotiated.protocol === undefined
      connect((error, socket, end) => {
        if (socket === null) onConnected(error, null, end)
        else {
          const protocol = negotiatedProtocol(socket)
          negotiated.protocol = protocol
          if (protocol === own) onConnected(null, socket, end)
          else {
            handOver(own, socket, end)
            onConnected(null, null, end)
          }
        }
      }, verifiesEnd || isUnknown)
    }

  const http1 = connections(connectFor('http/1.1'))
  const http2 = sessions(connectFor('h2'))
  const pool = withUpgrades(http2, http1Only)

  const handOver = (own: AlpnProtocol, socket: Socket, end: EndOfData): void => {
    const [from, to] = own === 'h2' ? [http2, http1] : [http1, pool]
    to.adopt(socket, end)
    for (const queued of from.takeQueue()) queued.sendWith(to.roundTrip)
  }

  const open = async (): Promise<AlpnProtocol | undefined> => {
    const { promise, resolve } = Promise.withResolvers<AlpnProtocol | undefined>()
    // The first connection may have to serve close-delimited responses.
    connect((_error, socket, end) => {
      negotiating = undefined
      if (socket !== null) {
        negotiated.protocol = negotiatedProtocol(socket)
        const own = negotiated.protocol === 'h2' ? pool : http1
        own.adopt(socket, end)
      }
      resolve(negotiated.protocol)
    }, true)
    return await promise
  }
  let negotiating: Promise<AlpnProtocol | undefined> | undefined

  return {
    ...combined([http1, pool]),
    async negotiate() {
      if (negotiated.protocol !== undefined) return negotiated.protocol
      negotiating ??= open()
      return await negotiating
    },
    // Before the first connection, requests wait for it in the pool of HTTP/2 sessions, which opens one.
    roundTrip: (request, signal) =>
      negotiated.protocol === 'http/1.1'
        ? http1.roundTrip(request, signal)
        : pool.roundTrip(request, signal),
    adopt: pool.adopt,
  }
}

/** RFC 9113 section 8.6: HTTP/2 has no `Upgrade`, so these requests use connections of HTTP/1.1. */
export function withUpgrades(http2: ConnectionPool, http1: ConnectionPool): ConnectionPool {
  return {
    ...combined([http2, http1]),
    roundTrip: (request, signal) =>
      request.upgrade === undefined
        ? http2.roundTrip(request, signal)
        : http1.roundTrip(request, signal),
    adopt: http2.adopt,
  }
}

function combined(
  pools: readonly ConnectionPool[],
): Pick<ConnectionPool, 'load' | 'takeQueue' | 'retire' | 'destroy'> {
  return {
    load: () => pools.map((pool) => pool.load()).reduce(sumOf),
    takeQueue: () => pools.flatMap((pool) => pool.takeQueue()),
    retire() {
      for (const pool of pools) pool.retire()
    },
    destroy() {
      for (const pool of pools) pool.destroy()
    },
  }
}

/** What TLS offers (RFC 7301). */
export function offeredProtocols(http2: 'auto' | 'always' | 'never'): readonly AlpnProtocol[] {
  switch (http2) {
    case 'auto': {
      return ['h2', 'http/1.1']
    }
    case 'always': {
      return ['h2']
    }
    case 'never': {
      return ['http/1.1']
    }
  }
}

/** Fails where the server does not choose HTTP/2. */
export function requireHttp2(origin: string, connect: Connect): Connect {
  const refused = () => upstreamFailure(origin, 'protocol', NOT_NEGOTIATED)
  return (onConnected, verifiesEnd) => {
    connect((error, socket, end) => {
      if (socket === null) onConnected(isRefusal(error) ? refused() : error, null, end)
      else if (negotiatedProtocol(socket) === 'h2') onConnected(null, socket, end)
      else {
        socket.destroy()
        onConnected(refused(), null, end)
      }
    }, verifiesEnd)
  }
}

const NOT_NEGOTIATED =
  'it does not negotiate HTTP/2 by ALPN; set "http2" of the route to "auto" or "never"'

/** RFC 7301 section 3.2: the server supports none of the protocols that were offered. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'
  )
}
