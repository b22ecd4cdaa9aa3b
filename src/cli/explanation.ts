import type { RouteConfig } from '../config/route-schema.ts'
import { formatListenAddress } from '../config/listen-address.ts'
import type { Config } from '../config/schema.ts'
import { routeMatch } from '../compose/routes.ts'
import { SidecarError } from '../errors.ts'
import { isLocalName } from '../lib/loopback.ts'
import { parseRequestTarget, type RequestTarget } from '../routing/request-target.ts'
import { createRouteTable, type RouteMatch, upstreamPath } from '../routing/route-table.ts'
import { tokenFrom } from './token-from.ts'

/** What becomes of a request, and why. */
export type Explanation =
  | {
      readonly outcome: 'routed'
      readonly route: ExplainedRoute
      /** The URL that it goes to. */
      readonly upstream: string
      /** Null for a route that only forwards. */
      readonly token: ExplainedToken | null
    }
  /** No route names it, and it is sent on without a token. */
  | { readonly outcome: 'passed' }
  | {
      readonly outcome: 'refused'
      readonly error: { readonly code: string; readonly message: string }
      /** What each route would have wanted, where that is the reason. */
      readonly otherRoutes: readonly { readonly route: string; readonly reason: string }[]
    }

type ExplainedRoute = {
  readonly name: string
  readonly host: string | null
  readonly path: string
  readonly methods: readonly string[] | null
}

type ExplainedToken = {
  readonly credential: string
  readonly clientId: string | null
  readonly tokenFrom: string
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  readonly resource: readonly string[]
  readonly header: string
  /** What stands before the token. */
  readonly prefix: string
}

/** `method` is in upper case. */
export function explanationOf(method: string, url: string, config: Config): Explanation {
  if (method === 'TRACE' || method === 'CONNECT') {
    return { outcome: 'refused', error: WITHOUT_ROUTE[method], otherRoutes: [] }
  }
  const candidates = config.routes.map((route) => ({
    config: route,
    match: routeMatch(route.match),
  }))
  let target: RequestTarget | undefined
  try {
    target = targetOf(url, config)
    const { config: route, match } = createRouteTable(candidates).match(target, method)
    return routed(route, match, target, config)
  } catch (error) {
    if (!(error instanceof SidecarError)) throw error
    const { code, message } = error
    if (code === 'egress_denied' && config.forward === 'pass') return { outcome: 'passed' }
    const isUnclaimed = code === 'route_not_found' || code === 'egress_denied'
    return {
      outcome: 'refused',
      error: { code, message },
      otherRoutes: target !== undefined && isUnclaimed ? reasonsOf(candidates, target, method) : [],
    }
  }
}

type Candidate = { readonly config: RouteConfig; readonly match: RouteMatch }

function reasonsOf(candidates: readonly Candidate[], target: RequestTarget, method: string) {
  return candidates.map(({ config, match }) => ({
    route: config.name,
    reason: whyNot(match, target, method),
  }))
}

const WITHOUT_ROUTE = {
  TRACE: {
    code: 'method_not_supported',
    message: 'TRACE takes no route, because it would show the token',
  },
  CONNECT: {
    code: 'egress_denied',
    message:
      'a tunnel takes no route; to a host that a route names it is refused, and to others unless "forward: pass"',
  },
} as const

/** As the request would arrive: with this listener's host, unless the URL names another. */
function targetOf(url: string, { listen }: Config): RequestTarget {
  const own = listen.kind === 'tcp' ? formatListenAddress(listen) : 'localhost'
  if (url.startsWith('/')) return parseRequestTarget(url, [own], 1)
  const [, authority = own, path = ''] = /^https?:\/\/([^/?#]+)([^]*)$/i.exec(url) ?? []
  const isOwn = authority === own || (listen.kind === 'tcp' && isLoopbackAt(authority, listen.port))
  return isOwn && path !== ''
    ? parseRequestTarget(path.startsWith('/') ? path : `/${path}`, [own], 1)
    : parseRequestTarget(url, [authority], 1)
}

function isLoopbackAt(authority: string, port: number): boolean {
  const url = URL.parse(`http://${authority}`)
  return url !== null && isLocalName(url.hostname) && Number(url.port || 80) === port
}

function routed(
  route: RouteConfig,
  match: RouteMatch,
  target: RequestTarget,
  config: Config,
): Explanation {
  const upstream = new URL(route.upstream)
  const basePath = upstream.pathname.replace(/\/$/, '')
  const path = upstreamPath({ match, basePath, keepPath: route.keepPath }, target.path)
  return {
    outcome: 'routed',
    route: {
      name: route.name,
      host: match.host ?? null,
      path: match.prefix === '' ? '/' : match.prefix,
      methods: match.methods === undefined ? null : [...match.methods],
    },
    upstream: upstream.origin + path + target.query,
    token: tokenOf(route, config),
  }
}

function tokenOf(route: RouteConfig, { credentials }: Config): ExplainedToken | null {
  const credential = credentials[route.credential]
  if (credential === undefined) return null
  return {
    credential: route.credential,
    clientId: credential.clientId ?? null,
    tokenFrom: tokenFrom(credential),
    scopes: route.scopes ?? credential.scopes,
    audience: route.audience ?? credential.audience,
    resource: route.resource ?? credential.resource,
    ...route.inject,
  }
}

/** The first thing about the request that a route does not accept. */
function whyNot(match: RouteMatch, target: RequestTarget, method: string): string {
  if (target.absolute && match.host === undefined) {
    return 'names no host, so it is not for requests to a forward proxy'
  }
  const accepts = (part: RouteMatch): boolean => {
    try {
      createRouteTable([{ match: part }]).match({ ...target, absolute: false }, method)
      return true
    } catch {
      return false
    }
  }
  if (!accepts({ host: match.host, prefix: '', methods: undefined })) {
    return `wants host ${match.host}, not ${target.host}`
  }
  if (!accepts({ host: undefined, prefix: match.prefix, methods: undefined })) {
    return `wants a path below ${match.prefix}`
  }
  return `wants method ${[...(match.methods ?? [])].join(' or ')}, not ${method}`
}
