import { PROTOCOLS } from '../lib/protocol.ts'
import {
  connectionMetricDefinitions,
  type WatchedUpstream,
} from './connection-metric-definitions.ts'
import { CONTENT_TYPE, expositionOf } from './exposition.ts'
import { createHttp2Metrics, type Http2Metrics } from './http2-metrics.ts'
import type { MetricDescription } from './metric-definition.ts'
import { processMetricDefinitions, type ProcessFigures } from './process-metric-definitions.ts'
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

/** The metrics of `/metrics`. Counters are kept where events happen, and are read on scrape. */
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
  /** A client of the proxy listener used this protocol instead of HTTP. */
  otherProtocol(protocol: (typeof OTHER_PROTOCOLS)[number]): void
  /** A request of an application; `protocol` is one of `PROTOCOLS`. */
  inboundRequest(protocol: string): void
  /** HTTP/2 connections of applications and to upstreams. */
  readonly http2: { readonly client: Http2Metrics; readonly upstream: Http2Metrics }
  /** What each metric is, in the order of the text. */
  readonly descriptions: readonly MetricDescription[]
  expose(): string
  readonly contentType: string
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
  const inboundProtocols = new Map<string, number>(PROTOCOLS.map((protocol) => [protocol, 0]))
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
      inboundProtocols,
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
    inboundRequest(protocol) {
      inboundProtocols.set(protocol, (inboundProtocols.get(protocol) ?? 0) + 1)
    },
    http2,
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
