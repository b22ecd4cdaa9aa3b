import type { ReadFile } from '../config/read-file.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Route } from '../proxy/handler.ts'
import type { RequestHeaderPolicy } from '../proxy/headers.ts'
import type { RouteMatch } from '../proxy/routes.ts'
import { createUpstream, type Upstream } from '../proxy/upstream.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSources } from './token-sources.ts'

export type ComposedRoutes = {
  readonly routes: readonly Route[]
  readonly upstreams: readonly Upstream[]
}

export type ComposeRoutesOptions = {
  readonly config: Pick<Config, 'routes' | 'limits'>
  readonly tokens: TokenSources
  readonly readFile: ReadFile
  readonly clock: Clock
  readonly metrics: Metrics
}

/** Routes with everything decided; those to the same origin with the same trust share connections. */
export async function composeRoutes(options: ComposeRoutesOptions): Promise<ComposedRoutes> {
  const { config, tokens, readFile, clock, metrics } = options
  const upstreams = new Map<string, Upstream>()
  const routes: Route[] = []
  for (const route of config.routes) {
    const { origin } = new URL(route.upstream)
    const key = JSON.stringify([origin, route.tls, route.timeouts.connect])
    const upstream =
      upstreams.get(key) ??
      (await createUpstream({
        origin,
        readTls: createTlsReader(route.tls, readFile),
        connectTimeoutMs: route.timeouts.connect,
        maxHeaderBytes: config.limits.headers,
        clock,
      }))
    upstreams.set(key, upstream)
    routes.push(composeRoute(route, upstream, tokens, metrics))
  }
  return { routes, upstreams: [...upstreams.values()] }
}

function composeRoute(
  route: RouteConfig,
  upstream: Upstream,
  tokens: TokenSources,
  metrics: Metrics,
): Route {
  const source = tokens.of(route)
  const { token, response, idle } = route.timeouts
  return {
    name: route.name,
    match: routeMatch(route.match),
    upstream,
    basePath: new URL(route.upstream).pathname.replace(/\/$/, ''),
    keepPath: route.keepPath,
    headers: headerPolicy(route, upstream),
    tokens: source,
    tokenValue: createTokenValue(route.inject.prefix),
    timeouts: { tokenMs: token, responseMs: response, idleMs: idle },
    metrics: metrics.route(route.name),
  }
}

export function routeMatch({ host, path, methods }: RouteConfig['match']): RouteMatch {
  return {
    host: host?.toLowerCase(),
    prefix: path.replace(/\/$/, ''),
    methods: methods && new Set(methods),
  }
}

function headerPolicy(route: RouteConfig, upstream: Upstream): RequestHeaderPolicy {
  const { inject, headers, existingAuthorization } = route
  const set = Object.entries(headers.set)
  return {
    host: upstream.host,
    injected: route.credential === 'none' ? undefined : inject.header.toLowerCase(),
    injectedName: inject.header,
    existing: existingAuthorization,
    dropped: new Set(
      [...headers.remove, ...set.map(([name]) => name)].map((name) => name.toLowerCase()),
    ),
    added: set.flat(),
  }
}

/** The header's value is put together once for each token, not for each request. */
function createTokenValue(prefix: string): (token: AccessToken) => string {
  let last: { token: AccessToken; value: string } | undefined
  return (token) => {
    if (last?.token !== token) {
      const value = token.value.reveal()
      last = { token, value: prefix === '' ? value : `${prefix} ${value}` }
    }
    return last.value
  }
}
