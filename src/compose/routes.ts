import type { Socket } from 'node:net'
import type { ReadFile } from '../config/read-file.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import type { Config } from '../config/schema.ts'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { isToOwnListener, type OwnPorts } from '../lib/own-listener.ts'
import type { References } from '../lib/reference-counted-pool.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import { type Metrics, PASSED } from '../observe/metrics.ts'
import type { TunnelPolicy } from '../inbound/connect.ts'
import { createPassThrough, type PassThrough } from '../exchange/pass-through.ts'
import type { ExchangeRoundTrip } from '../exchange/exchange-request.ts'
import type { IdleWatch } from '../exchange/idle-watch.ts'
import { injectToken } from '../exchange/inject-token.ts'
import { provePossession } from '../exchange/prove-possession.ts'
import { replayAfter401 } from '../exchange/replay-after-401.ts'
import { retryStale } from '../exchange/retry-stale.ts'
import { withTimeLimits } from '../exchange/time-limits.ts'
import { traced } from '../exchange/traced.ts'
import type { Route } from '../exchange/route.ts'
import { type UpstreamFailure, upstreamFailure } from '../http/upstream-failure.ts'
import { createRouteTable, type RouteTable } from '../routing/route-table.ts'
import { createConnector } from '../outbound/connector.ts'
import type { EgressProxy } from '../outbound/egress-proxy.ts'
import { createTunnelOpener } from '../outbound/proxy-connector.ts'
import {
  createUpstream,
  type OpenUpstream,
  type Upstream,
  type UpstreamOptions,
} from '../outbound/upstream.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import { createRejectionRecord, type RejectionRecord } from '../tokens/rejection-record.ts'
import type { AcquireProxy } from './egress-proxy.ts'
import {
  passThroughConfig,
  planPassThrough,
  planRoutes,
  type RoutePlan,
  routesOf,
} from './route-plan.ts'
import type { TokenSources } from './token-sources.ts'

export type ComposedRoutes = {
  /** Listeners with the same routes share a table. */
  readonly tableOf: (listener: string) => RouteTable<Route>
  readonly upstreams: readonly Upstream[]
  /** Undefined for a pass-through route. */
  readonly upstreamOf: (route: Route) => Upstream | undefined
  /** Closes the connections of pass-through routes. */
  readonly close: () => void
  /** By the name of the route. */
  readonly rejections: ReadonlyMap<string, RejectionRecord>
}

export type ComposeRoutesOptions = {
  readonly config: Pick<Config, 'credentials' | 'routes' | 'limits' | 'via' | 'forward'>
  readonly tokens: TokenSources
  readonly readFile: ReadFile
  readonly clock: Clock
  readonly metrics: Metrics
  readonly idle: IdleWatch
  readonly openUpstream: OpenUpstream
  /** Reused from an earlier configuration if the definition is the same. */
  readonly upstreams: References<Upstream>
  readonly rejections: References<RejectionRecord>
  readonly acquireProxy: AcquireProxy
  /** Requests that pass without a route do not reach these. */
  readonly ownPorts: OwnPorts
}

/** Routes to the same origin with the same TLS settings and proxy share connections. */
export async function composeRoutes(options: ComposeRoutesOptions): Promise<ComposedRoutes> {
  const { config, readFile, clock, openUpstream } = options
  const upstreams = new Set<Upstream>()
  /** What the routes with the same name of all tables share. */
  const shared = new Map<string, SharedParts>()
  for (const route of config.routes) {
    const settings = upstreamOptions(route, options)
    const proxy = await options.acquireProxy(route.proxy)
    const upstream = await options.upstreams.acquire(
      JSON.stringify([settings, route.tls, route.proxy]),
      async () =>
        await createUpstream(
          { ...settings, proxy },
          createTlsReader(route.tls, readFile),
          clock,
          openUpstream,
        ),
    )
    const rejections = await options.rejections.acquire(
      rejectionKey(route, config),
      async () => await Promise.resolve(createRejectionRecord(clock)),
    )
    upstreams.add(upstream)
    shared.set(route.name, { upstream, rejections })
  }
  const passThrough =
    config.forward.mode === 'pass'
      ? composePassThrough(options, await options.acquireProxy(config.forward.proxy))
      : undefined
  const tables = new Map<string, RouteTable<Route>>()
  return {
    tableOf(listener) {
      const own = routesOf(listener, config.routes)
      const key = JSON.stringify(own.map(({ name }) => name))
      const table = tables.get(key) ?? createRouteTable(compose(own), passThrough?.routeTo)
      tables.set(key, table)
      return table
    },
    upstreams: [...upstreams],
    upstreamOf: ({ name }) => shared.get(name)?.upstream,
    close: () => passThrough?.close(),
    rejections: new Map([...shared].map(([name, { rejections }]) => [name, rejections])),
  }

  function compose(routes: RouteConfig[]): Route[] {
    return planRoutes({ ...config, routes }).flatMap((plan) => {
      const parts = shared.get(plan.config.name)
      return parts === undefined ? [] : [composeRoute(plan, parts, options)]
    })
  }
}

type SharedParts = { readonly upstream: Upstream; readonly rejections: RejectionRecord }

/** Routes to any origin; requests are forwarded without a token. */
function composePassThrough(
  options: ComposeRoutesOptions,
  proxy: EgressProxy | undefined,
): PassThrough {
  const { config, clock, openUpstream } = options
  const settings = upstreamOptions(passThroughConfig(), options)
  const refuse = (socket: Socket) =>
    isToOwnListener(socket, options.ownPorts) ? ownListener() : undefined
  return createPassThrough(
    (origin) => openUpstream({ ...settings, origin, proxy, refuse }, {}, clock),
    (upstream) =>
      composeRoute(
        planPassThrough(upstream.origin, config),
        { upstream, rejections: createRejectionRecord(clock) },
        options,
      ),
  )
}

function ownListener(): SidecarError {
  return new SidecarError(
    'egress_denied',
    'Cannot forward the request: its destination is a listener of the sidecar itself',
    { advice: 'Have the application send its requests to that listener directly.' },
  )
}

/** The settings on which it depends whether an API accepts a request: a change makes earlier rejections obsolete. */
function rejectionKey(
  { name, upstream, credential, scopes, audience, resource, inject }: RouteConfig,
  { credentials }: Pick<Config, 'credentials'>,
): string {
  const definition = credentials[credential]
  return JSON.stringify([name, upstream, definition, scopes, audience, resource, inject])
}

/** Tunnels to hosts without a route; undefined if they are not allowed. */
export async function composeTunnels({
  config: { forward },
  metrics,
  clock,
  acquireProxy,
  ownPorts,
}: Pick<
  ComposeRoutesOptions,
  'config' | 'metrics' | 'clock' | 'acquireProxy' | 'ownPorts'
>): Promise<TunnelPolicy | undefined> {
  if (forward.mode === 'deny') return undefined
  const { connect: timeoutMs, upgraded } = passThroughConfig().timeouts
  const proxy = await acquireProxy(forward.proxy)
  return {
    name: PASSED,
    metrics: metrics.route(PASSED),
    connectMs: timeoutMs,
    idleMs: upgraded,
    ownPorts,
    ...(proxy !== undefined && {
      connect({ host: hostname, port, authority: origin }, onConnected) {
        const limits = { origin, timeoutMs, clock }
        const openTransport = createTunnelOpener(
          proxy,
          { hostname, port },
          { ...limits, allowsEarlyData: true },
        )
        const options = { ...limits, hostname, port, tls: undefined, alpn: [], openTransport }
        createConnector(options)(onConnected, false)
      },
    }),
  }
}

function upstreamOptions(
  { upstream, timeouts, connections, http2 }: RouteConfig,
  { config, metrics }: ComposeRoutesOptions,
): UpstreamOptions {
  return {
    origin: new URL(upstream).origin,
    connectTimeoutMs: timeouts.connect,
    maxConnections: connections,
    maxHeaderBytes: config.limits.headers,
    http2,
    http2Observer: metrics.http2.upstream,
  }
}

function composeRoute(
  { config: route, match, basePath, keepPath, origin, fields, responseFields }: RoutePlan,
  { upstream, rejections }: SharedParts,
  options: ComposeRoutesOptions,
): Route {
  const { tokens, metrics } = options
  const source = tokens.of(route)
  const { token: tokenMs } = route.timeouts
  const routeMetrics = metrics.route(route.name)
  const inject = { name: route.inject.header, valueOf: createTokenValue(route.inject.prefix) }
  const transport = timeLimited(route, upstream, options)
  const retry = (next: ExchangeRoundTrip) => (route.retry ? retryStale(routeMetrics, next) : next)
  const replay = (next: ExchangeRoundTrip) =>
    source !== undefined && route.replay.enabled
      ? replayAfter401({ tokens: source, tokenMs, metrics: routeMetrics }, next)
      : next
  return {
    name: route.name,
    match,
    basePath,
    keepPath,
    origin,
    fields,
    responseFields,
    tokens: source,
    roundTrip: replay(retry(traced(fields, provePossession(injectToken(inject, transport))))),
    maxReplayBytes: source !== undefined && route.replay.enabled ? route.replay.maxBody : 0,
    timeouts: { tokenMs, upgradedMs: route.timeouts.upgraded },
    metrics: routeMetrics,
    rejections,
  }
}

/** The round trip of the upstream with the idle and response timeouts of the route. */
function timeLimited(
  { timeouts }: RouteConfig,
  { origin, roundTrip }: Upstream,
  { idle, clock }: ComposeRoutesOptions,
): ExchangeRoundTrip {
  const fail: UpstreamFailure = (kind, reason) => upstreamFailure(origin, kind, reason)
  const { response: responseMs, idle: idleMs } = timeouts
  return withTimeLimits({ responseMs, idleMs, fail, idle, clock }, roundTrip)
}

/** The field value is built once for each token, not for each request. */
function createTokenValue(prefix: string): (token: AccessToken) => string {
  let last: { token: AccessToken; value: string } | undefined
  return (token) => {
    if (last?.token !== token) {
      const value = token.value.reveal()
      const scheme = token.dpop !== undefined && prefix === 'Bearer' ? 'DPoP' : prefix
      last = { token, value: scheme === '' ? value : `${scheme} ${value}` }
    }
    return last.value
  }
}
