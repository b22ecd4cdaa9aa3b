import { isIP, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Config } from '../config/schema.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import type { SecretPlaces } from '../config/secret-ref.ts'
import type { Clock } from '../lib/clock.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import { type AlpnProtocol, createConnector, negotiatedProtocol } from '../outbound/connector.ts'
import { offeredProtocols, requireHttp2 } from '../outbound/negotiation.ts'

export type UpstreamProbe = {
  readonly origin: string
  /** The routes that go there with these TLS settings. */
  readonly routes: readonly string[]
  /** Connects as a request would, without sending one. Fails with what the system or OpenSSL says. */
  readonly connect: () => Promise<Connected>
}

/** Undefined for an upstream without TLS. */
export type Connected = { readonly tls: TlsFacts | undefined }

type TlsFacts = {
  readonly version: string
  /** What was negotiated (ALPN). */
  readonly protocol: AlpnProtocol
  /** Null where the certificate does not tell it in a way that can be read. */
  readonly certificateExpiresAt: string | null
}

/** A connection for each upstream and each way to reach it. */
export function composeUpstreamProbes(
  { routes }: Config,
  places: SecretPlaces,
  clock: Clock,
): UpstreamProbe[] {
  const groups = Map.groupBy(routes, (route) =>
    JSON.stringify([
      new URL(route.upstream).origin,
      route.tls,
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
            connect: async () => await probe(first, places, clock),
          },
        ]
  })
}

/** A configuration may allow more for requests than a person wants to wait for. */
const LONGEST_MS = 30_000

async function probe(
  { upstream, tls, timeouts, http2 }: RouteConfig,
  places: SecretPlaces,
  clock: Clock,
): Promise<Connected> {
  const { origin, hostname: host, port, protocol } = new URL(upstream)
  const hostname = host.replace(/^\[|\]$/g, '')
  const isTls = protocol === 'https:'
  const material = isTls ? await createTlsReader(tls, places.readFile)() : undefined
  const connector = createConnector({
    origin,
    hostname,
    port: Number(port) || (isTls ? 443 : 80),
    tls: material && {
      ...material,
      servername: material.servername ?? (isIP(hostname) === 0 ? hostname : ''),
    },
    alpn: offeredProtocols(http2),
    timeoutMs: Math.min(timeouts.connect, LONGEST_MS),
    clock,
  })
  const connect = isTls && http2 === 'always' ? requireHttp2(origin, connector) : connector
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  connect((error, socket) => {
    if (socket === null) reject(error)
    else resolve(socket)
  }, false)
  const socket = await promise
  try {
    if (!(socket instanceof TLSSocket)) return { tls: undefined }
    await accepted(socket, clock)
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

/** How long a server that says nothing more has to refuse the client's certificate. */
const REFUSAL_MS = 500

/**
 * In TLS 1.3 a client is done before the server has seen its certificate: a session ticket follows if the
 * server accepts it, and an alert if it does not (RFC 8446 sections 4.6.1 and 4.4.2.4).
 */
async function accepted(socket: TLSSocket, clock: Clock): Promise<void> {
  if (socket.getProtocol() !== 'TLSv1.3') return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.schedule(REFUSAL_MS, resolve)
  socket.once('session', () => resolve())
  socket.once('error', reject)
  socket.once('close', () => resolve())
  try {
    await promise
  } finally {
    cancel()
  }
}
