import type { CredentialConfig } from '../config/credential-schema.ts'
import { type RouteConfig, routeSchema } from '../config/route-schema.ts'
import type { Config } from '../config/schema.ts'
import type { RequestFieldPolicy } from '../exchange/request-fields.ts'
import type { ResponseFieldPolicy } from '../exchange/response-fields.ts'
import { fieldNames } from '../http/field-lines.ts'
import { PASSED } from '../observe/metrics.ts'
import { createReferenceMap, type MappedRoute } from '../routing/reference-map.ts'
import type { RouteDestination, RouteMatch } from '../routing/route-table.ts'
import type { Requested } from './token-request.ts'
import { requestedBy } from './token-sources.ts'

/**
 * The decisions of one route that depend on the configuration alone. Making them reads no file and opens
 * no connection, so that `explain` and `check` use the same ones as the proxy.
 */
export type RoutePlan = RouteDestination & {
  readonly config: RouteConfig
  /** Scheme, host and port of the upstream. */
  readonly origin: string
  readonly fields: RequestFieldPolicy
  readonly responseFields: ResponseFieldPolicy
  /** Undefined for a route without a credential. */
  readonly token: PlannedToken | undefined
}

export type PlannedToken = {
  readonly credentialName: string
  readonly credential: CredentialConfig
  readonly requested: Requested
  /** The field that carries the token, and what precedes the token in it. */
  readonly header: string
  readonly prefix: string
}

type PlanConfig = Pick<Config, 'credentials' | 'routes' | 'via'>

/** The routes that a listener serves: those that name it, and those that name no listener. */
export function routesOf(listener: string, routes: readonly RouteConfig[]): RouteConfig[] {
  return routes.filter(({ listeners }) => listeners?.includes(listener) ?? true)
}

export function planRoutes(config: PlanConfig): RoutePlan[] {
  const all = config.routes.map(mappedRoute)
  return config.routes.map((route) => planRoute(route, config, all))
}

/** The plan for an origin that no route names, where `forward: pass` allows it. */
export function planPassThrough(origin: string, config: PlanConfig): RoutePlan {
  return planRoute({ ...passThroughConfig(), upstream: origin }, config, [])
}

/** Every setting at its default, except that no references are mapped: it has no base URL. */
export function passThroughConfig(): RouteConfig {
  const defaults = routeSchema.parse({
    name: 'default',
    match: {},
    upstream: 'http://localhost',
    credential: 'none',
  })
  return { ...defaults, name: PASSED, rewriteLocation: false }
}

function planRoute(
  route: RouteConfig,
  config: Pick<PlanConfig, 'credentials' | 'via'>,
  all: readonly MappedRoute[],
): RoutePlan {
  const credential = config.credentials[route.credential]
  const isDpop = credential?.dpop !== undefined
  const via = viaName(config)
  const { header, prefix } = route.inject
  return {
    config: route,
    ...mappedRoute(route),
    fields: { ...requestFieldPolicy(route, isDpop), via },
    responseFields: { ...responseFieldPolicy(route, isDpop, all), via },
    token: credential && {
      credentialName: route.credential,
      credential,
      requested: requestedBy(route, credential),
      header,
      prefix,
    },
  }
}

/** The sidecar's name in `Via`; undefined for none. */
export function viaName({ via }: Pick<Config, 'via'>): string | undefined {
  return via === 'off' ? undefined : via
}

function mappedRoute(route: RouteConfig): MappedRoute {
  const { origin, pathname } = new URL(route.upstream)
  return {
    match: routeMatch(route.match),
    origin,
    basePath: pathname.replace(/\/$/, ''),
    keepPath: route.keepPath,
  }
}

function routeMatch({ host, path, methods }: RouteConfig['match']): RouteMatch {
  return {
    host: host?.toLowerCase(),
    prefix: path.replace(/\/$/, ''),
    methods: methods && new Set(methods),
  }
}

function requestFieldPolicy(route: RouteConfig, isDpop: boolean): Omit<RequestFieldPolicy, 'via'> {
  const { inject, headers, existingAuthorization, forwarded } = route
  const set = Object.entries(headers.set)
  const proof = isDpop ? ['DPoP'] : []
  return {
    host: route.keepHost ? undefined : new URL(route.upstream).host,
    injected: route.credential === 'none' ? undefined : inject.header.toLowerCase(),
    existing: existingAuthorization,
    dropped: fieldNames([...headers.remove, ...proof, ...set.map(([name]) => name)]),
    added: set.flat(),
    forwarded,
  }
}

function responseFieldPolicy(
  route: RouteConfig,
  isDpop: boolean,
  all: readonly MappedRoute[],
): Omit<ResponseFieldPolicy, 'via'> {
  const { domain, path, secure } = route.cookies
  return {
    // A nonce for the sidecar's proofs (RFC 9449 section 8.2) means nothing to the application.
    hidden: fieldNames(isDpop ? ['dpop-nonce'] : []),
    references: route.rewriteLocation ? createReferenceMap(mappedRoute(route), all) : undefined,
    cookies:
      domain === 'drop' || path === 'map' || secure === 'drop'
        ? {
            dropDomain: domain === 'drop',
            dropSecure: secure === 'drop',
            pathsOf: path === 'map' ? mappedRoute(route) : undefined,
          }
        : undefined,
  }
}
