import type { ReadFile } from '../config/read-file.ts'
import { type RouteConfig, routeSchema } from '../config/route-schema.ts'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { Holdings } from '../lib/shared.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import { type Metrics, PASSED } from '../observe/metrics.ts'
import { checkTunnel, type TunnelPolicy } from '../inbound/connect.ts'
import { fieldNames } from '../http/field-lines.ts'
import { createPassThrough, type PassThrough } from '../exchange/pass-through.ts'
import { createReferenceMap, type MappedRoute } from '../routing/reference-map.ts'
import type { RequestFieldPolicy } from '../exchange/request-fields.ts'
import type { ResponseFieldPolicy } from '../exchange/response-fields.ts'
import type { ExchangeRoundTrip } from '../exchange/exchange-request.ts'
import type { IdleWatch } from '../exchange/idle-watch.ts'
import { withIdleTimeout } from '../exchange/idle-timeout.ts'
import { injectToken } from '../exchange/inject-token.ts'
import { provePossession } from '../exchange/prove-possession.ts'
import { replayAfter401 } from '../exchange/replay-after-401.ts'
import { withResponseTimeout } from '../exchange/response-timeout.ts'
import { retryStale } from '../exchange/retry-stale.ts'
import { traced } from '../exchange/traced.ts'
import type { Route } from '../exchange/route.ts'
import { type UpstreamFailure, upstreamFailure } from '../http/upstream-failure.ts'
import {
  createRouteTable,
  type RouteDestination,
  type RouteMatch,
  type RouteTable,
} from '../routing/route-table.ts'
import {
  createUpstream,
  openUpstream,
  type Upstream,
  type UpstreamOptions,
} from '../outbound/upstream.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import { createRejectionRecord, type RejectionRecord } from '../tokens/rejection-record.ts'
import type { TokenSources } from './token-sources.ts'

export type ComposedRoutes = {
  readonly table: RouteTable<Route>
  readonly upstreams: readonly Upstream[]
  /** Lets go of ways to where no route leads. */
  readonly close: () => void
  /** By the route's name. */
  readonly rejections: ReadonlyMap<string, RejectionRecord>
}

export type ComposeRoutesOptions = {
  readonly config: Pick<Config, 'credentials' | 'routes' | 'limits' | 'via' | 'forward'>
  readonly tokens: TokenSources
  readonly readFile: ReadFile
  readonly clock: Clock
  readonly metrics: Metrics
  readonly idle: IdleWatch
  /** Those of an earlier configuration live on where their definition is the same. */
  readonly upstreams: Holdings<Upstream>
  readonly rejections: Holdings<RejectionRecord>
}

/** Routes with everything decided; those to the same origin with the same trust share connections. */
export async function composeRoutes(options: ComposeRoutesOptions): Promise<ComposedRoutes> {
  const { config, readFile, clock } = options
  const upstreams = new Set<Upstream>()
  const routes: Route[] = []
  const all = config.routes.map(mappedRoute)
  for (const route of config.routes) {
    const own = upstreamOptions(route, options)
    const upstream = await options.upstreams.use(
      JSON.stringify([own, route.tls]),
      async () => await createUpstream(own, createTlsReader(route.tls, readFile), clock),
    )
    upstreams.add(upstream)
    const rejections = await options.rejections.use(
      rejectionKey(route, config),
      async () => await Promise.resolve(createRejectionRecord(clock)),
    )
    routes.push(composeRoute(route, { upstream, rejections }, options, all))
  }
  const passThrough = config.forward === 'pass' ? composePassThrough(options) : undefined
  return {
    table: createRouteTable(routes, passThrough?.routeTo),
    upstreams: [...upstreams],
    close: () => passThrough?.close(),
    rejections: new Map(routes.map(({ name, rejections }) => [name, rejections])),
  }
}

/** Ways to wherever the application wants to go; nothing is added to what it sends. */
function composePassThrough(options: ComposeRoutesOptions): PassThrough {
  // It has no upstream of its own that references could be mapped back from.
  const config = { ...defaultRoute(), name: PASSED, rewriteLocation: false }
  return createPassThrough(
    (origin) => openUpstream({ ...upstreamOptions(config, options), origin }, {}, options.clock),
    (upstream) =>
      composeRoute(
        config,
        { upstream, rejections: createRejectionRecord(options.clock) },
        options,
        [],
      ),
  )
}

/** What decides whether an API accepts a request: a change of it makes earlier rejections obsolete. */
function rejectionKey(
  { name, upstream, credential, scopes, audience, resource, inject }: RouteConfig,
  { credentials }: Pick<Config, 'credentials'>,
): string {
  const definition = credentials[credential]
  return JSON.stringify([name, upstream, definition, scopes, audience, resource, inject])
}

/** Tunnels to where no route leads; undefined where they are not allowed. */
export function composeTunnels(
  { forward }: Pick<Config, 'forward'>,
  metrics: Metrics,
): TunnelPolicy | undefined {
  const { connect, upgraded } = defaultRoute().timeouts
  return forward === 'deny'
    ? undefined
    : { name: PASSED, metrics: metrics.route(PASSED), connectMs: connect, idleMs: upgraded }
}

/** Fails as a `CONNECT` to this host and port would with a configuration. */
export function checkTunnelFor(
  { forward }: Pick<Config, 'forward'>,
  target: string,
  namesHost: (host: string) => boolean,
): void {
  checkTunnel(target, namesHost, forward === 'pass')
}

/** What a route is that says nothing but where to. */
function defaultRoute(): RouteConfig {
  return routeSchema.parse({
    name: 'default',
    match: {},
    upstream: 'http://localhost',
    credential: 'none',
  })
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
  route: RouteConfig,
  { upstream, rejections }: { readonly upstream: Upstream; readonly rejections: RejectionRecord },
  options: ComposeRoutesOptions,
  all: readonly MappedRoute[],
): Route {
  const { config, tokens, metrics } = options
  const source = tokens.of(route)
  const isDpop = config.credentials[route.credential]?.dpop !== undefined
  const via = viaName(config)
  const { token: tokenMs } = route.timeouts
  const { origin } = upstream
  const fields = { ...headerPolicy(route, upstream, isDpop), via }
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
    ...destinationOf(route),
    origin,
    fields,
    responseFields: { ...answerPolicy(route, isDpop, all), via },
    tokens: source,
    roundTrip: replay(retry(traced(fields, provePossession(injectToken(inject, transport))))),
    maxReplayBytes: source !== undefined && route.replay.enabled ? route.replay.maxBody : 0,
    timeouts: { tokenMs, upgradedMs: route.timeouts.upgraded },
    metrics: routeMetrics,
    rejections,
  }
}

/** The upstream, with the time limits of the route. */
function timeLimited(
  { timeouts }: RouteConfig,
  { origin, roundTrip }: Upstream,
  { idle, clock }: ComposeRoutesOptions,
): ExchangeRoundTrip {
  const fail: UpstreamFailure = (kind, reason) => upstreamFailure(origin, kind, reason)
  const common = { fail, idle, clock, idleMs: timeouts.idle }
  return withIdleTimeout(
    common,
    withResponseTimeout({ ...common, responseMs: timeouts.response }, roundTrip),
  )
}

/** Our name in `Via`; undefined for none. */
export function viaName({ via }: Pick<Config, 'via'>): string | undefined {
  return via === 'off' ? undefined : via
}

function destinationOf(route: RouteConfig): RouteDestination {
  return {
    match: routeMatch(route.match),
    basePath: new URL(route.upstream).pathname.replace(/\/$/, ''),
    keepPath: route.keepPath,
  }
}

function mappedRoute(route: RouteConfig): MappedRoute {
  return { ...destinationOf(route), origin: new URL(route.upstream).origin }
}

function answerPolicy(
  route: RouteConfig,
  isDpop: boolean,
  all: readonly MappedRoute[],
): Omit<ResponseFieldPolicy, 'via'> {
  const { domain, path, secure } = route.cookies
  return {
    // A nonce for our proofs (RFC 9449 section 8.2) would only puzzle the application.
    hidden: fieldNames(isDpop ? ['dpop-nonce'] : []),
    references: route.rewriteLocation ? createReferenceMap(mappedRoute(route), all) : undefined,
    cookies:
      domain === 'drop' || path === 'map' || secure === 'drop'
        ? {
            dropDomain: domain === 'drop',
            dropSecure: secure === 'drop',
            pathsOf: path === 'map' ? destinationOf(route) : undefined,
          }
        : undefined,
  }
}

export function routeMatch({ host, path, methods }: RouteConfig['match']): RouteMatch {
  return {
    host: host?.toLowerCase(),
    prefix: path.replace(/\/$/, ''),
    methods: methods && new Set(methods),
  }
}

function headerPolicy(
  route: RouteConfig,
  upstream: Upstream,
  isDpop: boolean,
): Omit<RequestFieldPolicy, 'via'> {
  const { inject, headers, existingAuthorization, forwarded } = route
  const set = Object.entries(headers.set)
  const proof = isDpop ? ['DPoP'] : []
  return {
    host: route.keepHost ? undefined : upstream.host,
    injected: route.credential === 'none' ? undefined : inject.header.toLowerCase(),
    existing: existingAuthorization,
    dropped: fieldNames([...headers.remove, ...proof, ...set.map(([name]) => name)]),
    added: set.flat(),
    forwarded,
  }
}

/** The header's value is put together once for each token, not for each request. */
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
