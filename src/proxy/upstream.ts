import { isIP } from 'node:net'
import { buildConnector, Client, type Dispatcher } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { TlsMaterial, TlsReader } from '../lib/tls-material.ts'
import { type ConnectionPool, createConnectionPool, type Load } from './connection-pool.ts'

/** The connections to one origin. */
export type Upstream = {
  readonly origin: string
  /** The value of `Host`. */
  readonly host: string
  /** The same for every request, whatever its `Host` says: undici takes another for another server. */
  readonly servername: string
  /** Sends a request as soon as there is a connection for it. */
  readonly dispatch: Dispatch
  /** Sends a request on a connection that nobody has used yet, and that closes by itself when idle. */
  readonly dispatchOnNew: Dispatch
  /** Takes back a request that still waits for a connection. */
  readonly forget: (handler: Dispatcher.DispatchHandler) => void
  /** Whether a connection is being handed over at this moment: a request that starts now is its first. */
  readonly isConnecting: () => boolean
  /** Whether a connection is being reset at this moment: a response that ends now is cut short. */
  readonly isBreaking: () => boolean
  readonly load: () => Load
  /** Lets go of connections as soon as they are free. */
  readonly retire: () => void
  /** Cuts off whatever is running. */
  readonly close: () => Promise<void>
}

type Dispatch = (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => void

export type UpstreamOptions = {
  readonly origin: string
  readonly connectTimeoutMs: number
  /** More at once wait their turn: an upstream in trouble must not take all our sockets. */
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  /** How long a connection may live: the name is looked up again for new ones only. */
  readonly connectionLifetimeMs?: number
}

const CONNECTION_LIFETIME_MS = 300_000
/** How often certificates are looked at, where the upstream has any of its own. */
const TLS_INTERVAL_MS = 10_000

/** Connections with certificates that are read from files, and anew when they change. Fails when they can't be read. */
export async function createUpstream(
  options: UpstreamOptions,
  readTls: TlsReader,
  clock: Clock,
): Promise<Upstream> {
  let tls = await readTls()
  const connections = openUpstream(options, tls, clock)
  let cancelWatch = watch()
  return {
    ...connections,
    async close() {
      cancelWatch()
      await connections.close()
    },
  }

  function watch(): () => void {
    if (tls.ca === undefined && tls.cert === undefined) return () => {}
    return clock.schedule(TLS_INTERVAL_MS, () => {
      // Files that can't be read, or don't fit together yet, are left for the next look.
      const look = readTls().catch(() => tls)
      void look.then((found) => {
        if (fingerprintOf(found) !== fingerprintOf(tls)) {
          tls = found
          connections.renew(found)
        }
        cancelWatch = watch()
      })
    })
  }
}

type Connections = Upstream & {
  /** From now on with this; what has begun is finished with what was there before. */
  readonly renew: (tls: TlsMaterial) => void
}

/** Every option that matters is set, because defaults change between versions. */
export function openUpstream(
  options: UpstreamOptions,
  firstTls: TlsMaterial,
  clock: Clock,
): Connections {
  const { origin, connectTimeoutMs, maxConnections, maxHeaderBytes } = options
  const url = new URL(origin)
  const shared = {
    pipelining: 1,
    allowH2: false,
    // Shorter than most servers keep an idle connection, so that it is we who close it.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 60_000,
    keepAliveTimeoutThreshold: 1_000,
    // Silence is noticed in relay.ts, where it can be told whose it is.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: maxHeaderBytes,
    strictContentLength: true,
  }
  let connecting = 0
  let isBreaking = false

  const connectorFor = (tls: TlsMaterial): buildConnector.connector => {
    const connect = buildConnector({
      allowH2: false,
      timeout: connectTimeoutMs,
      autoSelectFamily: true,
      // A tunnel goes on in the other direction when one side has ended.
      allowHalfOpen: true,
      ...tls,
    })
    const servername = serverName(url, tls)
    return (target, callback) => {
      // undici would take the name from the Host header, which may be the application's.
      connect({ ...target, servername: servername ?? '' }, (...result) => {
        const [, socket] = result
        // The first to listen: undici, which listens next, acts at once.
        socket?.on('error', () => {
          isBreaking = true
          process.nextTick(() => {
            isBreaking = false
          })
        })
        connecting += 1
        callback(...result)
        connecting -= 1
      })
    }
  }
  const poolFor = (connect: buildConnector.connector): ConnectionPool =>
    createConnectionPool({
      open: () => new Client(origin, { ...shared, connect }),
      most: maxConnections,
      lifetimeMs: options.connectionLifetimeMs ?? CONNECTION_LIFETIME_MS,
      clock,
    })

  let connect = connectorFor(firstTls)
  let pool = poolFor(connect)
  return {
    origin,
    host: url.host,
    servername: serverName(url, firstTls) ?? url.hostname,
    dispatch: (request, handler) => pool.dispatch(request, handler),
    dispatchOnNew: (request, handler) =>
      void new Client(origin, { ...shared, connect }).dispatch(request, handler),
    forget: (handler) => pool.forget(handler),
    isConnecting: () => connecting > 0,
    isBreaking: () => isBreaking,
    renew(tls) {
      pool.retire()
      connect = connectorFor(tls)
      pool = poolFor(connect)
    },
    load: () => pool.load(),
    retire: () => pool.retire(),
    close: async () => await pool.destroy(),
  }
}

/** RFC 6066 section 3: an address is no server name, and the certificate is verified for the host then. */
function serverName(url: URL, tls: TlsMaterial): string | undefined {
  if (url.protocol !== 'https:') return undefined
  return (
    tls.servername ?? (isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 ? url.hostname : undefined)
  )
}

function fingerprintOf({ ca, cert, key }: TlsMaterial): string {
  return fingerprint(ca, cert, key)
}
