import { isIP, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Config } from '../config/schema.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import { type AlpnProtocol, createConnector, negotiatedProtocol } from '../outbound/connector.ts'
import { readEgressProxy } from '../outbound/egress-proxy.ts'
import { offeredProtocols, requireHttp2 } from '../outbound/negotiation.ts'
import { createProxyConnector, createTunnelOpener } from '../outbound/proxy-connector.ts'
import { egressProxyOptions } from './egress-proxy.ts'

export type UpstreamProbe = {
  readonly origin: string
  /** The routes to this origin with these TLS settings. */
  readonly routes: readonly string[]
  /** The URL of the proxy through which it is reached; null for a direct connection. */
  readonly proxy: string | null
  /** Connects as for a request, without sending one. Fails with an error of the system or of OpenSSL. */
  readonly connect: () => Promise<Connected>
}

/** Undefined for an upstream without TLS. */
export type Connected = { readonly tls: TlsFacts | undefined }

type TlsFacts = {
  readonly version: string
  /** The protocol that was negotiated (ALPN). */
  readonly protocol: AlpnProtocol
  /** Null if the certificate has no valid date. */
  readonly certificateExpiresAt: string | null
}

/** One probe for each combination of origin, TLS settings, proxy and connect timeout. */
export function composeUpstreamProbes(
  { routes }: Config,
  places: ConfigEnvironment,
  clock: Clock,
): UpstreamProbe[] {
  const groups = Map.groupBy(routes, (route) =>
    JSON.stringify([
      new URL(route.upstream).origin,
      route.tls,
      route.proxy,
      route.http2,
      route.timeouts.connect,
    ]),
  )
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    return first === undefined
      ? []
      : [
          {
            origin: new URL(first.upstream).origin,
            routes: group.map(({ name }) => name),
            proxy: first.proxy?.url ?? null,
            connect: async () => await probe(first, places, clock),
          },
        ]
  })
}

/** A person waits for the result, so a longer connect timeout of the configuration is capped. */
const MAX_CONNECT_MS = 30_000

async function probe(
  { upstream, tls, proxy: proxyConfig, timeouts, http2 }: RouteConfig,
  places: ConfigEnvironment,
  clock: Clock,
): Promise<Connected> {
  const { origin, hostname: host, port, protocol } = new URL(upstream)
  const hostname = host.replace(/^\[|\]$/g, '')
  const isTls = protocol === 'https:'
  const material = isTls ? await createTlsReader(tls, places.readFile)() : undefined
  const proxy = proxyConfig && (await readEgressProxy(egressProxyOptions(proxyConfig, places)))
  const limits = { origin, timeoutMs: Math.min(timeouts.connect, MAX_CONNECT_MS), clock }
  const destination = { hostname, port: Number(port) || (isTls ? 443 : 80) }
  const connector =
    proxy !== undefined && !isTls && http2 !== 'always'
      ? createProxyConnector(proxy, limits)
      : createConnector({
          ...limits,
          ...destination,
          tls: material && {
            ...material,
            servername: material.servername ?? (isIP(hostname) === 0 ? hostname : ''),
          },
          alpn: offeredProtocols(http2),
          openTransport: proxy && createTunnelOpener(proxy, destination, limits),
        })
  const connect = isTls && http2 === 'always' ? requireHttp2(origin, connector) : connector
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  connect((error, socket) => {
    if (socket === null) reject(error)
    else resolve(socket)
  }, false)
  const socket = await promise
  try {
    if (!isTls || !(socket instanceof TLSSocket)) return { tls: undefined }
    await waitForRejection(socket, clock)
    return {
      tls: {
        version: socket.getProtocol() ?? 'TLS',
        protocol: negotiatedProtocol(socket),
        certificateExpiresAt: expiryOf(socket),
      },
    }
  } finally {
    socket.destroy()
  }
}

function expiryOf(socket: TLSSocket): string | null {
  const expiry = new Date(socket.getPeerCertificate().valid_to)
  return Number.isNaN(expiry.getTime()) ? null : expiry.toISOString()
}

/** How long to wait for an alert that rejects the client certificate. */
const REJECTION_MS = 500

/**
 * In TLS 1.3 the client completes the handshake before the server has verified its certificate. Then a session ticket
 * follows if the server accepts it, and an alert otherwise (RFC 8446 sections 4.6.1 and 4.4.2.4).
 */
async function waitForRejection(socket: TLSSocket, clock: Clock): Promise<void> {
  if (socket.getProtocol() !== 'TLSv1.3') return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.schedule(REJECTION_MS, resolve)
  socket.once('session', () => resolve())
  socket.once('error', reject)
  socket.once('close', () => resolve())
  try {
    await promise
  } finally {
    cancel()
  }
}
