import type { IntegrationMode } from '../lib/integration-mode.ts'
import {
  connectionMetricDefinitions,
  type WatchedUpstream,
} from './connection-metric-definitions.ts'
import { CONTENT_TYPE, expositionOf } from './exposition.ts'
import { createHttp2Metrics, type Http2Metrics, type Http2Reading } from './http2-metrics.ts'
import { createInboundRequests } from './inbound-requests.ts'
import { createInterceptionRecord, type InterceptionRecord } from './interception-record.ts'
import type { MetricDescription } from './metric-definition.ts'
import { processMetricDefinitions, type ProcessFigures } from './process-metric-definitions.ts'
import { createRejectedCallers, type RejectedCallers } from './rejected-callers.ts'
import { REJECTION_REASONS, type RejectionReason } from './rejected-connections.ts'
import { createReloadMetrics, type ReloadMetrics } from './reload-metrics.ts'
import { routeMetricDefinitions, type WatchedRejections } from './route-metric-definitions.ts'
import { createRouteMetrics, type RouteMetrics } from './route-metrics.ts'
import {
  tokenMetricDefinitions,
  tokenStoreMetricDefinitions,
  type WatchedToken,
} from './token-metric-definitions.ts'
import { createTokenRequestMetrics, type TokenRequestMetrics } from './token-request-metrics.ts'
import { createTokenStoreMetrics, type TokenStoreMetrics } from './token-store-metrics.ts'

/** The label of requests that no route matches, and of those forwarded without a route; not valid as names of routes. */
export const UNMATCHED = '(none)'
export const PASSED = '(pass)'

const OTHER_PROTOCOLS = ['tls', 'socks', 'proxy_protocol'] as const

/** The metrics of `/metrics`. Counters are updated where events occur, and read on each scrape. */
export type Metrics = {
  /** The counters of a route, created on the first call. */
  route(name: string): RouteMetrics
  /** The counters of a credential, created on the first call. */
  tokenRequests(credential: string): TokenRequestMetrics
  readonly tokenStore: TokenStoreMetrics
  /** Replaces what gauges read. */
  watch(watched: Watched): void
  /** Requests in flight and open tunnels, over all routes. */
  pending(): { readonly requests: number; readonly tunnels: number }
  readonly reloads: ReloadMetrics
  readonly interception: InterceptionRecord
  /** A client of the proxy listener used this protocol instead of HTTP. */
  otherProtocol(protocol: (typeof OTHER_PROTOCOLS)[number]): void
  readonly rejectedCallers: RejectedCallers
  /** A transparent listener closed a connection. */
  rejectedConnection(reason: RejectionReason): void
  /** A request of an application; `protocol` is one of `PROTOCOLS`. */
  inboundRequest(protocol: string, mode: IntegrationMode): void
  /** HTTP/2 connections of applications and to upstreams. */
  readonly http2: { readonly client: Http2Metrics; readonly upstream: Http2Metrics }
  /** For the status page. */
  protocols(): ProtocolFigures
  /** Name, type, help and labels of each metric, in the order of the exposition. */
  readonly descriptions: readonly MetricDescription[]
  expose(): string
  readonly contentType: string
}

export type ProtocolFigures = {
  readonly client: SideFigures
  readonly upstream: SideFigures
}

type SideFigures = {
  /** Requests by protocol; upstream, those with a response. */
  readonly requests: ReadonlyMap<string, number>
  readonly http2: Http2Reading
}

type Watched = {
  readonly tokens: readonly WatchedToken[]
  readonly upstreams: readonly WatchedUpstream[]
  readonly rejections: readonly WatchedRejections[]
  readonly hasTokenStore: boolean
}

export function createMetrics(figures: ProcessFigures): Metrics {
  const routes = new Map<string, RouteMetrics>()
  const credentials = new Map<string, TokenRequestMetrics>()
  const reloads = createReloadMetrics()
  // All protocols from the start, so that rate() sees the first increase.
  const otherProtocols = new Map<string, number>(OTHER_PROTOCOLS.map((protocol) => [protocol, 0]))
  const rejectedCallers = createRejectedCallers()
  const rejectedConnections = new Map<string, number>(
    REJECTION_REASONS.map((reason) => [reason, 0]),
  )
  const inboundRequests = createInboundRequests()
  const interception = createInterceptionRecord()
  let watched: Watched = { tokens: [], upstreams: [], rejections: [], hasTokenStore: false }
  const tokenStore = createTokenStoreMetrics()

  const http2 = { client: createHttp2Metrics(), upstream: createHttp2Metrics() }
  const definitions = [
    ...routeMetricDefinitions({ routes, rejections: () => watched.rejections }),
    ...tokenMetricDefinitions({ credentials, tokens: () => watched.tokens }),
    ...tokenStoreMetricDefinitions(() => (watched.hasTokenStore ? tokenStore.read() : undefined)),
    ...connectionMetricDefinitions({
      upstreams: () => watched.upstreams,
      otherProtocols,
      rejectedCallers,
      rejectedConnections,
      inboundRequests,
      interception,
      http2,
    }),
    ...processMetricDefinitions(figures, reloads),
  ]

  return {
    route: (name) => getOrCreate(routes, name, createRouteMetrics),
    tokenRequests: (name) => getOrCreate(credentials, name, createTokenRequestMetrics),
    tokenStore,
    watch(found) {
      watched = found
    },
    pending() {
      const all = [...routes.values()].map((metrics) => metrics.read())
      return {
        requests: all.reduce((sum, { inFlight }) => sum + inFlight, 0),
        tunnels: all.reduce((sum, { tunnels }) => sum + tunnels.open, 0),
      }
    },
    reloads,
    otherProtocol(protocol) {
      otherProtocols.set(protocol, (otherProtocols.get(protocol) ?? 0) + 1)
    },
    rejectedCallers,
    rejectedConnection(reason) {
      rejectedConnections.set(reason, (rejectedConnections.get(reason) ?? 0) + 1)
    },
    inboundRequest: inboundRequests.count,
    interception,
    http2,
    protocols() {
      const upstream = new Map<string, number>()
      for (const metrics of routes.values()) {
        for (const [protocol, count] of metrics.read().protocols) {
          upstream.set(protocol, (upstream.get(protocol) ?? 0) + count)
        }
      }
      return {
        client: { requests: inboundRequests.byProtocol(), http2: http2.client.read() },
        upstream: { requests: upstream, http2: http2.upstream.read() },
      }
    },
    descriptions: definitions,
    expose: () =>
      expositionOf(
        definitions.map((definition) => ({ ...definition, samples: definition.read() })),
      ),
    contentType: CONTENT_TYPE,
  }
}

function getOrCreate<T>(map: Map<string, T>, key: string, create: () => T): T {
  const existing = map.get(key)
  if (existing !== undefined) return existing
  const created = create()
  map.set(key, created)
  return created
}
