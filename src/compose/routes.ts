import type { ReadFile } from '../config/read-file.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import type { Config } from '../config/schema.ts'
import type { Clock } from '../lib/clock.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { RequestHeaderPolicy } from '../proxy/headers.ts'
import type { Route } from '../proxy/route.ts'
import type { RouteMatch } from '../proxy/routes.ts'
import { createUpstream, type Upstream } from '../proxy/upstream.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSources } from './token-sources.ts'

export type ComposedRoutes = {
  readonly routes: readonly Route[]
  readonly upstreams: readonly Upstream[]
}

export type ComposeRoutesOptions = {
  readonly config: Pick<Config, 'credentials' | 'routes' | 'limits'>
  readonly tokens: TokenSources
  readonly readFile: ReadFile
  readonly clock: Clock
  readonly metrics: Metrics
}

/** Routes with everything decided; those to the same origin with the same trust share connections. */
export async function composeRoutes(options: ComposeRoutesOptions): Promise<ComposedRoutes> {
  const { config, readFile, clock } = options
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
    routes.push(composeRoute(route, upstream, options))
  }
  return { routes, upstreams: [...upstreams.values()] }
}

function composeRoute(
  route: RouteConfig,
  upstream: Upstream,
  { config, tokens, metrics }: ComposeRoutesOptions,
): Route {
  const source = tokens.of(route)
  const isDpop = config.credentials[route.credential]?.dpop !== undefined
  const { token, response, idle } = route.timeouts
  const { enabled, maxBody } = route.replay
  return {
    name: route.name,
    match: routeMatch(route.match),
    upstream,
    basePath: new URL(route.upstream).pathname.replace(/\/$/, ''),
    keepPath: route.keepPath,
    headers: headerPolicy(route, upstream, isDpop),
    // A nonce for our proofs (RFC 9449 section 8.2) would only puzzle the application.
    hiddenHeaders: new Set(isDpop ? ['dpop-nonce'] : []),
    tokens: source,
    tokenValue: createTokenValue(route.inject.prefix),
    replay: { enabled, maxBodyBytes: maxBody },
    timeouts: { tokenMs: token, responseMs: response, idleMs: idle },
    metrics: metrics.route(route.name),
  }
}

export function routeMatch({ host, path, methods }: RouteConfig['match']): RouteMatch {
  return {
    // As in a request, where the port of http goes without saying.
    host: host?.toLowerCase().replace(/:80$/, ''),
    prefix: path.replace(/\/$/, ''),
    methods: methods && new Set(methods),
  }
}

function headerPolicy(
  route: RouteConfig,
  upstream: Upstream,
  isDpop: boolean,
): RequestHeaderPolicy {
  const { inject, headers, existingAuthorization } = route
  const set = Object.entries(headers.set)
  const proof = isDpop ? ['DPoP'] : []
  return {
    host: upstream.host,
    injected: route.credential === 'none' ? undefined : inject.header.toLowerCase(),
    injectedName: inject.header,
    existing: existingAuthorization,
    dropped: new Set(
      [...headers.remove, ...proof, ...set.map(([name]) => name)].map((name) => name.toLowerCase()),
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
      const scheme = token.dpop !== undefined && prefix === 'Bearer' ? 'DPoP' : prefix
      last = { token, value: scheme === '' ? value : `${scheme} ${value}` }
    }
    return last.value
  }
}
