import { isIP } from 'node:net'
import type { RoundTrip } from '../http/round-trip.ts'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { TlsMaterial, TlsReader } from '../lib/tls-material.ts'
import { inAbsoluteForm } from './absolute-form.ts'
import { type ConnectionPool, createConnectionPool, type Load, sumOf } from './connection-pool.ts'
import {
  type Connect,
  type ConnectorOptions,
  createConnector,
  type AlpnProtocol,
} from './connector.ts'
import type { EgressProxy } from './egress-proxy.ts'
import { type Http2Observer, UNOBSERVED } from './http2-observer.ts'
import { createHttp2SessionPool } from './http2-session-pool.ts'
import {
  createNegotiatingPool,
  type Negotiated,
  offeredProtocols,
  requireHttp2,
  withUpgrades,
} from './negotiation.ts'
import { createProxyConnector, createTunnelOpener } from './proxy-connector.ts'

/** The connections to one origin. */
export type Upstream = {
  readonly origin: string
  /** The value of `Host`. */
  readonly host: string
  readonly roundTrip: RoundTrip
  /**
   * Whether it speaks HTTP/2. Where that is negotiated, connects if there has been no connection yet; undefined if
   * it does not respond soon.
   */
  readonly speaksHttp2: () => Promise<boolean | undefined>
  readonly load: () => Load
  /** Closes connections as soon as they are idle (drain). */
  readonly retire: () => void
  /** Closes all connections, and fails the requests in progress. */
  readonly close: () => void
}

export type UpstreamOptions = {
  readonly origin: string
  readonly connectTimeoutMs: number
  /** Further requests are queued: a slow upstream must not use up all file descriptors. */
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  /**
   * `auto`: as negotiated by TLS, and HTTP/1.1 without TLS; `always` without TLS: with prior knowledge
   * (RFC 9113 section 3.3).
   */
  readonly http2?: 'auto' | 'always' | 'never'
  readonly http2Observer?: Http2Observer
  /** Undefined where the origin is connected to directly. */
  readonly proxy?: EgressProxy | undefined
  /** Called with each direct connection; an error closes it. */
  readonly refuse?: ConnectorOptions['refuse']
  /** The maximum age of a connection: DNS is consulted for new ones only. */
  readonly connectionLifetimeSeconds?: number
}

const CONNECTION_LIFETIME_SECONDS = 300
/** A client that waits for the outcome must not reach its own time limit. */
const NEGOTIATION_MS = 2_000
/** How often certificate files are read again. */
const TLS_INTERVAL_MS = 10_000

/** Connects with certificates from files, which are reloaded when they change. Fails if they cannot be read. */
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
      // Files that cannot be read, or do not match yet, are tried again at the next interval.
      const reading = readTls().catch(() => tls)
      void reading.then((found) => {
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
  /** Uses this for new connections; requests in progress finish on theirs. */
  readonly renew: (tls: TlsMaterial) => void
}

/** Sets every option explicitly, because defaults change between versions of Node. */
export function openUpstream(
  options: UpstreamOptions,
  firstTls: TlsMaterial,
  clock: Clock,
): Connections {
  const { origin, connectTimeoutMs, maxConnections, maxHeaderBytes, proxy } = options
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

  let negotiate = async (): Promise<AlpnProtocol | undefined> =>
    await Promise.resolve(http2 === 'always' ? 'h2' : 'http/1.1')

  const poolFor = (tls: TlsMaterial): ConnectionPool => {
    const material = isTls ? { ...tls, servername: serverName(hostname, tls) } : undefined
    const timeoutMs = connectTimeoutMs
    const limits = { origin, timeoutMs, clock }
    const connectWith = (alpn: readonly AlpnProtocol[]): Connect => {
      // RFC 9113 section 3.4: a server sends its SETTINGS without waiting for the client.
      const allowsEarlyData = !isTls && alpn.includes('h2')
      const openTransport =
        proxy && createTunnelOpener(proxy, { hostname, port }, { ...limits, allowsEarlyData })
      return createConnector({
        ...limits,
        hostname,
        port,
        tls: material,
        alpn,
        openTransport,
        refuse: options.refuse,
      })
    }
    const common = { origin, host: url.host, maxHeaderBytes, lifetimeSeconds, clock }
    const connections = (connect: Connect): ConnectionPool =>
      createConnectionPool({ ...common, connect, maxConnections })
    const sessions = (connect: Connect): ConnectionPool =>
      createHttp2SessionPool({ ...common, scheme, connect, maxSessions: maxConnections, observer })

    if (http2 === 'always') {
      const connect = isTls ? requireHttp2(origin, connectWith(offered)) : connectWith(offered)
      return withUpgrades(sessions(connect), connections(connectWith(['http/1.1'])))
    }
    const http1Only = connections(connectWith(['http/1.1']))
    if (proxy !== undefined && !isTls) {
      const plain = connections(createProxyConnector(proxy, limits))
      // A proxy does not forward `Upgrade`, which is connection-specific.
      return withUpgrades(inAbsoluteForm(plain, origin, proxy), http1Only)
    }
    if (http2 === 'never' || !isTls) return http1Only
    const connect = connectWith(offered)
    const negotiating = createNegotiatingPool({
      connect,
      connections,
      sessions,
      http1Only,
      negotiated,
    })
    ;({ negotiate } = negotiating)
    return negotiating
  }

  let pool = poolFor(firstTls)
  /** Includes pools with earlier certificates that finish their requests. */
  let pools = [pool]
  return {
    origin,
    host: url.host,
    roundTrip: (request, signal) => pool.roundTrip(request, signal),
    async speaksHttp2() {
      const { promise, resolve } = Promise.withResolvers<undefined>()
      const cancel = clock.schedule(NEGOTIATION_MS, () => resolve(undefined))
      const protocol = await Promise.race([negotiate(), promise])
      cancel()
      return protocol && protocol === 'h2'
    },
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

/** RFC 6066 section 3: an IP address is not sent as a server name; the certificate is verified for the host. */
function serverName(hostname: string, { servername }: TlsMaterial): string {
  return servername ?? (isIP(hostname) === 0 ? hostname : '')
}

function isEmpty({ connected, queued }: Load): boolean {
  return connected === 0 && queued === 0
}

function fingerprintOf({ ca, cert, key }: TlsMaterial): string {
  return fingerprint(ca, cert, key)
}
