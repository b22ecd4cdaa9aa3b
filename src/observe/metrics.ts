import type { IntegrationMode } from '../lib/integration-mode.ts'
import { CONTENT_TYPE, expositionOf, type Sample } from './exposition.ts'
import { readProcess } from './process-reading.ts'
import type { Histogram } from './histogram.ts'
import { createHttp2Metrics, type Http2Metrics } from './http2-metrics.ts'
import { createInboundRequests } from './inbound-requests.ts'
import type { InterceptedHost } from './interception-record.ts'
import { createReloadMetrics, type ReloadMetrics } from './reload-metrics.ts'
import { createRouteMetrics, type RouteMetrics } from './route-metrics.ts'
import { createTokenRequestMetrics, type TokenRequestMetrics } from './token-request-metrics.ts'

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
  /** Replaces the tokens, upstreams and rejections that gauges read. */
  watch(watched: Watched): void
  /** Requests in flight and open tunnels, over all routes. */
  pending(): { readonly requests: number; readonly tunnels: number }
  readonly reloads: ReloadMetrics
  /** A client of the proxy listener used this protocol instead of HTTP. */
  otherProtocol(protocol: (typeof OTHER_PROTOCOLS)[number]): void
  /** A request of an application; `protocol` is one of `PROTOCOLS`. */
  inboundRequest(protocol: string, mode: IntegrationMode): void
  /** HTTP/2 connections of applications and to upstreams. */
  readonly http2: { readonly client: Http2Metrics; readonly upstream: Http2Metrics }
  /** What each metric is, in the order of the text. */
  readonly descriptions: readonly MetricDescription[]
  expose(): string
  readonly contentType: string
}

type WatchedToken = {
  readonly credential: string
  /** The credential, or the route that asks for a token of its own. */
  readonly token: string
  readonly read: () => {
    usable: boolean
    expiresAtMs: number | undefined
    lifetimeMs: number | undefined
  }
}

type WatchedUpstream = {
  readonly origin: string
  readonly read: () => { connected: number; running: number; queued: number }
}

type WatchedRejections = {
  readonly route: string
  readonly read: () => { readonly isEveryRequestRejected: boolean } | undefined
}

type Watched = {
  readonly tokens: readonly WatchedToken[]
  readonly upstreams: readonly WatchedUpstream[]
  readonly rejections: readonly WatchedRejections[]
}

type Labels = Sample['labels']
/** `help` is also the text in docs/metrics.md, which "npm run generate" brings up to date. */
export type MetricDescription = {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}
type Definition = MetricDescription & { readonly read: () => Sample[] }

export type ProcessFigures = {
  readonly version: string
  readonly droppedLogLines?: () => number
  readonly descriptorFailures?: () => number
  readonly interceptedHosts?: () => readonly InterceptedHost[]
  /** Infinity where it is not known. */
  readonly descriptorLimit?: number
}

export function createMetrics(figures: ProcessFigures): Metrics {
  const { droppedLogLines = () => 0, descriptorFailures = () => 0 } = figures
  const { descriptorLimit = Infinity, interceptedHosts = () => [] } = figures
  const routes = new Map<string, RouteMetrics>()
  const credentials = new Map<string, TokenRequestMetrics>()
  const reloads = createReloadMetrics()
  // All protocols from the start, so that rate() sees the first increase.
  const otherProtocols = new Map<string, number>(OTHER_PROTOCOLS.map((protocol) => [protocol, 0]))
  const inboundRequests = createInboundRequests()
  let watched: Watched = { tokens: [], upstreams: [], rejections: [] }

  const perRoute =
    (read: (metrics: ReturnType<RouteMetrics['read']>, route: string) => Sample[]) => () =>
      [...routes].flatMap(([route, metrics]) => read(metrics.read(), route))
  const perToken = (value: (state: ReturnType<WatchedToken['read']>) => number | undefined) => () =>
    watched.tokens.flatMap(({ credential, token, read }) => {
      const known = value(read())
      return known === undefined ? [] : [{ labels: { credential, token }, value: known }]
    })
  const perUpstream = (value: (state: ReturnType<WatchedUpstream['read']>) => number) => () =>
    [...Map.groupBy(watched.upstreams, ({ origin }) => origin)].map(([origin, pools]) => ({
      labels: { upstream: origin },
      value: pools.reduce((sum, { read }) => sum + value(read()), 0),
    }))

  const http2 = { client: createHttp2Metrics(), upstream: createHttp2Metrics() }
  const perSide = (read: (reading: ReturnType<Http2Metrics['read']>) => Sample[]) => () =>
    Object.entries(http2).flatMap(([side, metrics]) =>
      read(metrics.read()).map(({ labels, value }) => ({ labels: { side, ...labels }, value })),
    )

  const definitions: Definition[] = [
    {
      name: 'token_sidecar_requests_total',
      type: 'counter',
      help: 'Completed requests, by the status that the client received',
      labels: ['route', 'method', 'status'],
      read: perRoute(({ requests }, route) =>
        requests.map(({ method, status, count }) => ({
          labels: { route, method, status },
          value: count,
        })),
      ),
    },
    {
      name: 'token_sidecar_request_failures_total',
      type: 'counter',
      help: 'Requests that the sidecar itself failed, by code; every code is exposed from the start, with 0',
      labels: ['route', 'code'],
      read: perRoute(({ failures }, route) =>
        failures.map(({ code, count }) => ({ labels: { route, code }, value: count })),
      ),
    },
    {
      name: 'token_sidecar_requests_in_flight',
      type: 'gauge',
      help: 'Requests in flight',
      labels: ['route'],
      read: perRoute(({ inFlight }, route) => [{ labels: { route }, value: inFlight }]),
    },
    {
      name: 'token_sidecar_request_duration_seconds',
      type: 'histogram',
      help: 'Time from receiving the request head to the end of the response',
      labels: ['route'],
      read: perRoute(({ duration }, route) => histogramSamples({ route }, duration)),
    },
    {
      name: 'token_sidecar_upstream_response_seconds',
      type: 'histogram',
      help: 'Time from sending the request to receiving the response head of the upstream',
      labels: ['route'],
      read: perRoute(({ upstream }, route) => histogramSamples({ route }, upstream)),
    },
    {
      name: 'token_sidecar_token_wait_seconds',
      type: 'histogram',
      help: 'How long requests waited for a token because none was cached; the count should not grow once the sidecar is ready',
      labels: ['route'],
      read: perRoute(({ tokenWait }, route) => histogramSamples({ route }, tokenWait)),
    },
    {
      name: 'token_sidecar_grpc_calls_total',
      type: 'counter',
      help: 'gRPC calls by the status that the application received',
      labels: ['route', 'grpc_status'],
      read: perRoute(({ grpcCalls }, route) =>
        grpcCalls.map(({ status, count }) => ({
          labels: { route, grpc_status: status },
          value: count,
        })),
      ),
    },
    {
      name: 'token_sidecar_upstream_responses_total',
      type: 'counter',
      help: 'Responses of the upstream, by the protocol that it speaks',
      labels: ['route', 'protocol'],
      read: perRoute(({ protocols }, route) =>
        [...protocols].map(([protocol, value]) => ({ labels: { route, protocol }, value })),
      ),
    },
    {
      name: 'token_sidecar_upstream_unauthorized_total',
      type: 'counter',
      help: 'Responses with status 401 from the upstream, and gRPC calls with UNAUTHENTICATED, that reached the application',
      labels: ['route'],
      read: perRoute(({ unauthorized }, route) => [{ labels: { route }, value: unauthorized }]),
    },
    {
      name: 'token_sidecar_upstream_forbidden_total',
      type: 'counter',
      help: 'Responses with status 403 from the upstream, and gRPC calls with PERMISSION_DENIED',
      labels: ['route'],
      read: perRoute(({ forbidden }, route) => [{ labels: { route }, value: forbidden }]),
    },
    {
      name: 'token_sidecar_upstream_rejecting',
      type: 'gauge',
      help: '1 if the upstream has responded only with 401 or 403 since its last successful response, else 0; it does not change while the route is not used',
      labels: ['route'],
      read: () =>
        watched.rejections.map(({ route, read }) => ({
          labels: { route },
          value: Number(read()?.isEveryRequestRejected ?? false),
        })),
    },
    {
      name: 'token_sidecar_replays_total',
      type: 'counter',
      help: 'Requests that were replayed with a new token because the upstream rejected the token',
      labels: ['route'],
      read: perRoute(({ replays }, route) => [{ labels: { route }, value: replays }]),
    },
    {
      name: 'token_sidecar_retries_total',
      type: 'counter',
      help: 'Requests that were retried because the upstream had closed an idle connection (stale connection)',
      labels: ['route'],
      read: perRoute(({ retries }, route) => [{ labels: { route }, value: retries }]),
    },
    {
      name: 'token_sidecar_tunnels_open',
      type: 'gauge',
      help: 'Open WebSockets, other upgraded connections and CONNECT tunnels',
      labels: ['route'],
      read: perRoute(({ tunnels }, route) => [{ labels: { route }, value: tunnels.open }]),
    },
    {
      name: 'token_sidecar_tunnels_opened_total',
      type: 'counter',
      help: 'WebSockets, other upgraded connections and CONNECT tunnels that were opened; their requests count with status 1xx, and 2xx for CONNECT',
      labels: ['route'],
      read: perRoute(({ tunnels }, route) => [{ labels: { route }, value: tunnels.opened }]),
    },
    {
      name: 'token_sidecar_tunnel_bytes_total',
      type: 'counter',
      help: 'Bytes transferred by upgraded connections and tunnels that have ended',
      labels: ['route', 'direction'],
      read: perRoute(({ tunnels }, route) => [
        { labels: { route, direction: 'to_upstream' }, value: tunnels.bytesToUpstream },
        { labels: { route, direction: 'to_client' }, value: tunnels.bytesToClient },
      ]),
    },
    {
      name: 'token_sidecar_token_requests_total',
      type: 'counter',
      help: 'Token requests, by outcome',
      labels: ['credential', 'outcome'],
      read: () =>
        [...credentials].flatMap(([credential, metrics]) =>
          [...metrics.read().outcomes].map(([outcome, value]) => ({
            labels: { credential, outcome },
            value,
          })),
        ),
    },
    {
      name: 'token_sidecar_tokens_obtained_total',
      type: 'counter',
      help: 'Tokens obtained: issued if there was none, renewed before expiry, or replaced after an API rejected one',
      labels: ['credential', 'reason'],
      read: () =>
        [...credentials].flatMap(([credential, metrics]) =>
          [...metrics.read().reasons].map(([reason, value]) => ({
            labels: { credential, reason },
            value,
          })),
        ),
    },
    {
      name: 'token_sidecar_tokens_refused_total',
      type: 'counter',
      help: 'Tokens that an API rejected although they had not expired',
      labels: ['credential'],
      read: () =>
        [...credentials].map(([credential, metrics]) => ({
          labels: { credential },
          value: metrics.read().refusals,
        })),
    },
    {
      name: 'token_sidecar_token_request_duration_seconds',
      type: 'histogram',
      help: 'Duration of token requests, including discovery',
      labels: ['credential'],
      read: () =>
        [...credentials].flatMap(([credential, metrics]) =>
          histogramSamples({ credential }, metrics.read().duration),
        ),
    },
    {
      name: 'token_sidecar_token_expiry_timestamp_seconds',
      type: 'gauge',
      help: 'Expiry of the cached token, in seconds since 1970; absent until there is one',
      labels: ['credential', 'token'],
      read: perToken(({ expiresAtMs }) => expiresAtMs && expiresAtMs / 1000),
    },
    {
      name: 'token_sidecar_token_lifetime_seconds',
      type: 'gauge',
      help: 'Lifetime with which the cached token was issued',
      labels: ['credential', 'token'],
      read: perToken(({ lifetimeMs }) => lifetimeMs && lifetimeMs / 1000),
    },
    {
      name: 'token_sidecar_token_usable',
      type: 'gauge',
      help: '1 if the cached token is usable, else 0; a token that no request needs is not renewed, so 0 is not always a problem',
      labels: ['credential', 'token'],
      read: perToken(({ usable }) => Number(usable)),
    },
    {
      name: 'token_sidecar_upstream_connections',
      type: 'gauge',
      help: 'Open connections to the upstream',
      labels: ['upstream'],
      read: perUpstream(({ connected }) => connected),
    },
    {
      name: 'token_sidecar_upstream_requests_running',
      type: 'gauge',
      help: 'Requests in flight to the upstream',
      labels: ['upstream'],
      read: perUpstream(({ running }) => running),
    },
    {
      name: 'token_sidecar_upstream_requests_queued',
      type: 'gauge',
      help: 'Requests that wait for a connection to the upstream because the limit of the route is reached',
      labels: ['upstream'],
      read: perUpstream(({ queued }) => queued),
    },
    {
      name: 'token_sidecar_other_protocol_connections_total',
      type: 'counter',
      help: 'Connections to the proxy listener on which a client used a protocol other than HTTP, by protocol; `tls` means that a client uses https to the sidecar itself',
      labels: ['protocol'],
      read: () => [...otherProtocols].map(([protocol, value]) => ({ labels: { protocol }, value })),
    },
    {
      name: 'token_sidecar_inbound_requests_total',
      type: 'counter',
      help: 'Requests of applications, by protocol and integration mode',
      labels: ['protocol', 'mode'],
      read: () => inboundRequests.read(),
    },
    {
      name: 'token_sidecar_intercept_handshakes_total',
      type: 'counter',
      help: 'TLS handshakes with applications on intercepted connections, by the host of the route and outcome; `unknown_ca`, `bad_certificate` and `closed` mean that an application may not trust the CA of the sidecar, or pins another certificate',
      labels: ['host', 'outcome'],
      read: () =>
        interceptedHosts().flatMap(({ host, handshakes }) =>
          [...handshakes].map(([outcome, value]) => ({ labels: { host, outcome }, value })),
        ),
    },
    {
      name: 'token_sidecar_http2_sessions_open',
      type: 'gauge',
      help: 'HTTP/2 connections that are open, by side: `client` is the application',
      labels: ['side'],
      read: perSide(({ sessions }) => [{ labels: {}, value: sessions }]),
    },
    {
      name: 'token_sidecar_http2_streams_open',
      type: 'gauge',
      help: 'HTTP/2 streams that are open',
      labels: ['side'],
      read: perSide(({ streams }) => [{ labels: {}, value: streams }]),
    },
    {
      name: 'token_sidecar_http2_goaway_total',
      type: 'counter',
      help: 'GOAWAY frames, by their error code; `NO_ERROR` is a graceful shutdown',
      labels: ['side', 'direction', 'reason'],
      read: perSide(({ goaways }) => goaways.map(frameSample)),
    },
    {
      name: 'token_sidecar_http2_resets_total',
      type: 'counter',
      help: 'RST_STREAM frames, by their error code; a client that cancels a request sends `CANCEL`',
      labels: ['side', 'direction', 'reason'],
      read: perSide(({ resets }) => resets.map(frameSample)),
    },
    {
      name: 'token_sidecar_config_reloads_total',
      type: 'counter',
      help: 'Reloads of the configuration, after a change of the file or SIGHUP, by outcome',
      labels: ['outcome'],
      read: () =>
        [...reloads.read().outcomes].map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    {
      name: 'token_sidecar_config_reload_success',
      type: 'gauge',
      help: '1 if the configuration file was valid when it was last read, else 0',
      labels: [],
      read: () => [{ labels: {}, value: Number(reloads.read().isGood) }],
    },
    {
      name: 'token_sidecar_config_reload_timestamp_seconds',
      type: 'gauge',
      help: 'Time at which the configuration in use was loaded, in seconds since 1970',
      labels: [],
      read: () => [{ labels: {}, value: reloads.read().loadedAtMs / 1000 }],
    },
    {
      name: 'token_sidecar_build_info',
      type: 'gauge',
      help: 'Version of the program and of Node; always 1',
      labels: ['version', 'node'],
      read: () => [{ labels: { version: figures.version, node: process.versions.node }, value: 1 }],
    },
    {
      name: 'token_sidecar_log_lines_dropped_total',
      type: 'counter',
      help: 'Log lines dropped because standard output could not be written: a full disk, a closed reader or one that does not read',
      labels: [],
      read: () => [{ labels: {}, value: droppedLogLines() }],
    },
    {
      name: 'token_sidecar_file_descriptor_failures_total',
      type: 'counter',
      help: 'Connections and files that could not be opened because no file descriptor was left (EMFILE, ENFILE); probed once a second',
      labels: [],
      read: () => [{ labels: {}, value: descriptorFailures() }],
    },
    {
      name: 'process_max_fds',
      type: 'gauge',
      help: 'Limit of open file descriptors of the process; absent if there is none',
      labels: [],
      read: () =>
        Number.isFinite(descriptorLimit) ? [{ labels: {}, value: descriptorLimit }] : [],
    },
    ...readProcess().map(({ name, type, help, read }): Definition => ({
      name,
      type,
      help,
      labels: [],
      read: () => [{ labels: {}, value: read() }],
    })),
  ]

  return {
    route: (name) => getOrCreate(routes, name, createRouteMetrics),
    tokenRequests: (name) => getOrCreate(credentials, name, createTokenRequestMetrics),
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
    inboundRequest: inboundRequests.count,
    http2,
    descriptions: definitions,
    expose: () =>
      expositionOf(
        definitions.map((definition) => ({ ...definition, samples: definition.read() })),
      ),
    contentType: CONTENT_TYPE,
  }
}

function frameSample({
  direction,
  reason,
  count,
}: ReturnType<Http2Metrics['read']>['resets'][number]): Sample {
  return { labels: { direction, reason }, value: count }
}

function histogramSamples(labels: Labels, histogram: Histogram): Sample[] {
  const { buckets, count, sumSeconds } = histogram.read()
  return [
    ...buckets.map((bucket): Sample => ({
      suffix: '_bucket',
      labels: { ...labels, le: String(bucket.leSeconds) },
      value: bucket.count,
    })),
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: sumSeconds },
    { suffix: '_count', labels, value: count },
  ]
}

function getOrCreate<T>(map: Map<string, T>, key: string, create: () => T): T {
  const existing = map.get(key)
  if (existing !== undefined) return existing
  const created = create()
  map.set(key, created)
  return created
}
