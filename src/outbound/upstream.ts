import { isIP } from 'node:net'
import type { RoundTrip } from '../http/round-trip.ts'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { TlsMaterial, TlsReader } from '../lib/tls-material.ts'
import { type ConnectionPool, createConnectionPool, type Load, sumOf } from './connection-pool.ts'
import { type Connect, createConnector, type AlpnProtocol } from './connector.ts'
import type { Http2Observer } from './http2-session.ts'
import { createHttp2SessionPool } from './http2-session-pool.ts'
import {
  createNegotiatingPool,
  type Negotiated,
  offeredProtocols,
  requireHttp2,
  withUpgrades,
} from './negotiation.ts'

/** The connections to one origin. */
export type Upstream = {
  readonly origin: string
  /** The value of `Host`. */
  readonly host: string
  readonly roundTrip: RoundTrip
  readonly load: () => Load
  /** Lets go of connections as soon as they are free. */
  readonly retire: () => void
  /** Cuts off whatever is running. */
  readonly close: () => void
}

export type UpstreamOptions = {
  readonly origin: string
  readonly connectTimeoutMs: number
  /** More at once wait their turn: an upstream in trouble must not take all our sockets. */
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  /**
   * `auto`: as negotiated by TLS, and HTTP/1.1 without TLS; `always` without TLS: with prior knowledge
   * (RFC 9113 section 3.3).
   */
  readonly http2?: 'auto' | 'always' | 'never'
  readonly http2Observer?: Http2Observer
  /** How long a connection may live: the name is looked up again for new ones only. */
  readonly connectionLifetimeSeconds?: number
}

const CONNECTION_LIFETIME_SECONDS = 300
/** How often certificates are looked at, where the upstream has any of its own. */
const TLS_INTERVAL_MS = 10_000

/** Connections with certificates that are read from files, and anew when they change. Fails when they can't be read. */
export async function createUpstream(
  options: UpstreamOptions,
  readTls: TlsReader,
  clock: Clock,
  open: OpenUpstream = openUpstream,
): Promise<Upstream> {
  let tls = await readTls()
  const connections = open(options, tls, clock)
  let cancelWatch = watch()
  return {
    ...connections,
    close() {
      cancelWatch()
      connections.close()
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

/** Connects to one origin with one HTTP client. */
export type OpenUpstream = (
  options: UpstreamOptions,
  firstTls: TlsMaterial,
  clock: Clock,
) => Connections

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
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  const isTls = url.protocol === 'https:'
  const port = Number(url.port) || (isTls ? 443 : 80)

  const { http2 = 'never', http2Observer: observer = UNOBSERVED } = options
  const offered = offeredProtocols(http2)
  const scheme = isTls ? 'https' : 'http'
  const lifetimeSeconds = options.connectionLifetimeSeconds ?? CONNECTION_LIFETIME_SECONDS
  /** Kept when certificates change. */
  const negotiated: Negotiated = { protocol: undefined }

  const poolFor = (tls: TlsMaterial): ConnectionPool => {
    const material = isTls ? { ...tls, servername: serverName(hostname, tls) } : undefined
    const timeoutMs = connectTimeoutMs
    const connectWith = (alpn: readonly AlpnProtocol[]): Connect =>
      createConnector({ origin, hostname, port, tls: material, alpn, timeoutMs, clock })
    const common = { origin, host: url.host, maxHeaderBytes, lifetimeSeconds, clock }
    const connections = (connect: Connect): ConnectionPool =>
      createConnectionPool({ ...common, connect, most: maxConnections })
    const sessions = (connect: Connect): ConnectionPool =>
      createHttp2SessionPool({ ...common, scheme, connect, maxSessions: maxConnections, observer })

    if (http2 === 'always') {
      const connect = isTls ? requireHttp2(origin, connectWith(offered)) : connectWith(offered)
      return withUpgrades(sessions(connect), connections(connectWith(['http/1.1'])))
    }
    const http1Only = connections(connectWith(['http/1.1']))
    if (http2 === 'never' || !isTls) return http1Only
    const connect = connectWith(offered)
    return createNegotiatingPool({ connect, connections, sessions, http1Only, negotiated })
  }

  let pool = poolFor(firstTls)
  /** With those that are finishing what they had begun with other certificates. */
  let pools = [pool]
  return {
    origin,
    host: url.host,
    roundTrip: (request, signal) => pool.roundTrip(request, signal),
    renew(tls) {
      pool.retire()
      pool = poolFor(tls)
      pools = [...pools.filter((each) => !isEmpty(each.load())), pool]
    },
    load: () => pools.map((each) => each.load()).reduce(sumOf),
    retire: () => pool.retire(),
    close() {
      for (const each of pools) each.destroy()
    },
  }
}

/** RFC 6066 section 3: an address is no server name, and the certificate is verified for the host then. */
function serverName(hostname: string, { servername }: TlsMaterial): string {
  return servername ?? (isIP(hostname) === 0 ? hostname : '')
}

const UNOBSERVED: Http2Observer = {
  sessionOpened() {},
  sessionClosed() {},
  streamOpened() {},
  streamClosed() {},
  goaway() {},
  reset() {},
}

function isEmpty({ connected, queued }: Load): boolean {
  return connected === 0 && queued === 0
}

function fingerprintOf({ ca, cert, key }: TlsMaterial): string {
  return fingerprint(ca, cert, key)
}
