import { Counter, Gauge, Histogram as PromHistogram, Registry } from 'prom-client'
import { PROTOCOLS } from '../lib/protocol.ts'
import { readProcess } from './process-reading.ts'
import type { Histogram } from './histogram.ts'
import { createHttp2Metrics, type Http2Metrics } from './http2-metrics.ts'
import { createReloadMetrics, type ReloadMetrics } from './reload-metrics.ts'
import { createRouteMetrics, type RouteMetrics } from './route-metrics.ts'
import { createTokenRequestMetrics, type TokenRequestMetrics } from './token-request-metrics.ts'

/** The labels of requests that no route claims, and of those passed on without; no route can be called so. */
export const UNMATCHED = '(none)'
export const PASSED = '(pass)'

const OTHER_PROTOCOLS = ['tls', 'socks', 'proxy_protocol'] as const

/** Everything that `/metrics` shows. Numbers are counted where things happen and read at the scrape. */
export type Metrics = {
  /** The route's counters, made at the first call. */
  route(name: string): RouteMetrics
  /** The credential's counters, made at the first call. */
  tokenRequests(credential: string): TokenRequestMetrics
  /** What there is now; what was watched before is forgotten. */
  watch(watched: Watched): void
  /** Requests that are running now, and tunnels that are open, on all routes. */
  pending(): { readonly requests: number; readonly tunnels: number }
  readonly reloads: ReloadMetrics
  /** A client of the proxy listener spoke this instead of HTTP. */
  otherProtocol(protocol: (typeof OTHER_PROTOCOLS)[number]): void
  /** A request of an application; `protocol` is one of `PROTOCOLS`. */
  inboundRequest(protocol: string): void
  /** HTTP/2 connections of applications and to upstreams. */
  readonly http2: { readonly client: Http2Metrics; readonly upstream: Http2Metrics }
  /** What each metric is, in the order of the text. */
  readonly descriptions: readonly MetricDescription[]
  expose(): Promise<string>
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

type Labels = Readonly<Record<string, string>>
type Sample = { readonly labels: Labels; readonly value: number; readonly metricName?: string }
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
  /** Infinity where it is not known. */
  readonly descriptorLimit?: number
}

export function createMetrics(figures: ProcessFigures): Metrics {
  const { droppedLogLines = () => 0, descriptorFailures = () => 0 } = figures
  const { descriptorLimit = Infinity } = figures
  const routes = new Map<string, RouteMetrics>()
  const credentials = new Map<string, TokenRequestMetrics>()
  const reloads = createReloadMetrics()
  // All from the start, so that a rate can be had.
  const otherProtocols = new Map<string, number>(OTHER_PROTOCOLS.map((protocol) => [protocol, 0]))
  const protocols = new Map<string, number>(PROTOCOLS.map((protocol) => [protocol, 0]))
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

  const registry = new Registry()
  const definitions: Definition[] = [
    {
      name: 'token_sidecar_requests_total',
      type: 'counter',
      help: 'Requests that are over, by the status that the application got',
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
      help: 'Requests that the sidecar itself failed, by reason; every code is there from the start, with 0',
      labels: ['route', 'code'],
      read: perRoute(({ failures }, route) =>
        failures.map(({ code, count }) => ({ labels: { route, code }, value: count })),
      ),
    },
    {
      name: 'token_sidecar_requests_in_flight',
      type: 'gauge',
      help: 'Requests that are running now',
      labels: ['route'],
      read: perRoute(({ inFlight }, route) => [{ labels: { route }, value: inFlight }]),
    },
    {
      name: 'token_sidecar_request_duration_seconds',
      type: 'histogram',
      help: 'From the head of the request to the end of the response',
      labels: ['route'],
      read: perRoute(({ duration }, route) =>
        histogramSamples('token_sidecar_request_duration_seconds', { route }, duration),
      ),
    },
    {
      name: 'token_sidecar_upstream_response_seconds',
      type: 'histogram',
      help: 'From sending the request to the head of the upstream response: the share of the upstream in the time',
      labels: ['route'],
      read: perRoute(({ upstream }, route) =>
        histogramSamples('token_sidecar_upstream_response_seconds', { route }, upstream),
      ),
    },
    {
      name: 'token_sidecar_token_wait_seconds',
      type: 'histogram',
      help: 'How long requests waited that found no token in hand; the count should stand still once the sidecar is ready',
      labels: ['route'],
      read: perRoute(({ tokenWait }, route) =>
        histogramSamples('token_sidecar_token_wait_seconds', { route }, tokenWait),
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
      help: 'Responses with status 401 from the upstream that reached the application',
      labels: ['route'],
      read: perRoute(({ unauthorized }, route) => [{ labels: { route }, value: unauthorized }]),
    },
    {
      name: 'token_sidecar_upstream_forbidden_total',
      type: 'counter',
      help: 'Responses with status 403 from the upstream',
      labels: ['route'],
      read: perRoute(({ forbidden }, route) => [{ labels: { route }, value: forbidden }]),
    },
    {
      name: 'token_sidecar_upstream_rejecting',
      type: 'gauge',
      help: '1 while the upstream has answered with nothing but 401 or 403 since its last successful response, else 0; it does not change while the route is not used',
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
      help: 'Requests that were sent once more because the upstream did not accept the token',
      labels: ['route'],
      read: perRoute(({ replays }, route) => [{ labels: { route }, value: replays }]),
    },
    {
      name: 'token_sidecar_retries_total',
      type: 'counter',
      help: 'Requests that were sent once more because the upstream had closed an idle connection under them',
      labels: ['route'],
      read: perRoute(({ retries }, route) => [{ labels: { route }, value: retries }]),
    },
    {
      name: 'token_sidecar_tunnels_open',
      type: 'gauge',
      help: 'WebSockets and other upgraded connections, and tunnels of CONNECT, that are open now',
      labels: ['route'],
      read: perRoute(({ tunnels }, route) => [{ labels: { route }, value: tunnels.open }]),
    },
    {
      name: 'token_sidecar_tunnels_opened_total',
      type: 'counter',
      help: 'WebSockets and other upgraded connections, and tunnels of CONNECT, that were opened; their requests count with status 1xx, and 2xx for CONNECT',
      labels: ['route'],
      read: perRoute(({ tunnels }, route) => [{ labels: { route }, value: tunnels.opened }]),
    },
    {
      name: 'token_sidecar_tunnel_bytes_total',
      type: 'counter',
      help: 'Bytes that went through upgraded connections and tunnels that are closed',
      labels: ['route', 'direction'],
      read: perRoute(({ tunnels }, route) => [
        { labels: { route, direction: 'to_upstream' }, value: tunnels.bytesToUpstream },
        { labels: { route, direction: 'to_client' }, value: tunnels.bytesToClient },
      ]),
    },
    {
      name: 'token_sidecar_token_requests_total',
      type: 'counter',
      help: 'Exchanges with the authorization server, by outcome',
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
      help: 'Tokens that came: issued where there was none, renewed in time, or replaced after an API refused one',
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
      help: 'Tokens that an API did not accept although they should have been good',
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
      help: 'How long exchanges with the authorization server took, discovery included',
      labels: ['credential'],
      read: () =>
        [...credentials].flatMap(([credential, metrics]) =>
          histogramSamples(
            'token_sidecar_token_request_duration_seconds',
            { credential },
            metrics.read().duration,
          ),
        ),
    },
    {
      name: 'token_sidecar_token_expiry_timestamp_seconds',
      type: 'gauge',
      help: 'When the token in hand expires, in seconds since 1970; absent until there was one',
      labels: ['credential', 'token'],
      read: perToken(({ expiresAtMs }) => expiresAtMs && expiresAtMs / 1000),
    },
    {
      name: 'token_sidecar_token_lifetime_seconds',
      type: 'gauge',
      help: 'The lifetime that the token in hand was issued with',
      labels: ['credential', 'token'],
      read: perToken(({ lifetimeMs }) => lifetimeMs && lifetimeMs / 1000),
    },
    {
      name: 'token_sidecar_token_usable',
      type: 'gauge',
      help: '1 while a good token is in hand, else 0; a token that nobody uses is not renewed, so 0 need not be trouble',
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
      help: 'Requests that the upstream is working on',
      labels: ['upstream'],
      read: perUpstream(({ running }) => running),
    },
    {
      name: 'token_sidecar_upstream_requests_queued',
      type: 'gauge',
      help: 'Requests that wait for a connection to the upstream, because all that the route allows are in use',
      labels: ['upstream'],
      read: perUpstream(({ queued }) => queued),
    },
    {
      name: 'token_sidecar_other_protocol_connections_total',
      type: 'counter',
      help: 'Connections to the proxy listener on which a client spoke another protocol than HTTP, by protocol; `tls` means that an application calls the sidecar itself by https',
      labels: ['protocol'],
      read: () => [...otherProtocols].map(([protocol, value]) => ({ labels: { protocol }, value })),
    },
    {
      name: 'token_sidecar_inbound_requests_total',
      type: 'counter',
      help: 'Requests of applications, by protocol',
      labels: ['protocol'],
      read: () => [...protocols].map(([protocol, value]) => ({ labels: { protocol }, value })),
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
      help: 'Times that the configuration was read again because it had changed, or for SIGHUP, by what came of it',
      labels: ['outcome'],
      read: () =>
        [...reloads.read().outcomes].map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    {
      name: 'token_sidecar_config_reload_success',
      type: 'gauge',
      help: '1 while the configuration file, as it was last read, can be used, else 0',
      labels: [],
      read: () => [{ labels: {}, value: Number(reloads.read().isGood) }],
    },
    {
      name: 'token_sidecar_config_reload_timestamp_seconds',
      type: 'gauge',
      help: 'When the configuration that is in use was read, in seconds since 1970',
      labels: [],
      read: () => [{ labels: {}, value: reloads.read().loadedAtMs / 1000 }],
    },
    {
      name: 'token_sidecar_build_info',
      type: 'gauge',
      help: 'The running program; always 1',
      labels: ['version', 'node'],
      read: () => [{ labels: { version: figures.version, node: process.versions.node }, value: 1 }],
    },
    {
      name: 'token_sidecar_log_lines_dropped_total',
      type: 'counter',
      help: 'Log lines that were dropped because standard output did not take them: a full disk, a reader that is gone or does not read',
      labels: [],
      read: () => [{ labels: {}, value: droppedLogLines() }],
    },
    {
      name: 'token_sidecar_file_descriptor_failures_total',
      type: 'counter',
      help: 'Times that a connection or a file could not be opened because no file descriptor was left; probed once a second',
      labels: [],
      read: () => [{ labels: {}, value: descriptorFailures() }],
    },
    {
      name: 'process_max_fds',
      type: 'gauge',
      help: 'How many file descriptors the process may have open; absent where there is no limit',
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
  for (const definition of definitions) register(registry, definition)

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
    inboundRequest(protocol) {
      protocols.set(protocol, (protocols.get(protocol) ?? 0) + 1)
    },
    http2,
    descriptions: definitions,
    expose: async () => await registry.metrics(),
    contentType: registry.contentType,
  }
}

function frameSample({
  direction,
  reason,
  count,
}: ReturnType<Http2Metrics['read']>['resets'][number]): Sample {
  return { labels: { direction, reason }, value: count }
}

/** prom-client keeps the registry and writes the text; the numbers stay with those who count them. */
function register(registry: Registry, { name, type, help, labels, read }: Definition): void {
  const configuration = { name, help, labelNames: labels, registers: [registry] }
  switch (type) {
    case 'counter': {
      const counter = new Counter({
        ...configuration,
        collect() {
          counter.reset()
          for (const sample of read()) counter.inc(sample.labels, sample.value)
        },
      })
      break
    }
    case 'gauge': {
      const gauge = new Gauge({
        ...configuration,
        collect() {
          gauge.reset()
          for (const sample of read()) gauge.set(sample.labels, sample.value)
        },
      })
      break
    }
    case 'histogram': {
      // Its own counting has no way in for numbers that were counted elsewhere.
      const histogram = new PromHistogram(configuration)
      const snapshot = async () => await Promise.resolve({ name, help, type, values: read() })
      Object.assign(histogram, { get: snapshot, getForPromString: snapshot })
      break
    }
  }
}

function histogramSamples(name: string, labels: Labels, histogram: Histogram): Sample[] {
  const { buckets, count, sumSeconds } = histogram.read()
  return [
    ...buckets.map((bucket) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: String(bucket.leSeconds) },
      value: bucket.count,
    })),
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sumSeconds },
    { metricName: `${name}_count`, labels, value: count },
  ]
}

function getOrCreate<T>(map: Map<string, T>, key: string, create: () => T): T {
  const existing = map.get(key)
  if (existing !== undefined) return existing
  const created = create()
  map.set(key, created)
  return created
}
