import type { RouteConfig } from '../config/route-schema.ts'
import { formatListenAddress } from '../config/listen-address.ts'
import type { Config } from '../config/schema.ts'
import { checkTunnelFor, routeMatch } from '../compose/routes.ts'
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
      /** What keeps the request from arriving as it was given; null for nothing. */
      readonly note: string | null
    }
  /** No route names it, and it is sent on without a token. */
  | { readonly outcome: 'passed'; readonly tunnel: string | null }
  | {
      readonly outcome: 'refused'
      /** The target of the `CONNECT` that a client sends for the URL; null for a request of its own. */
      readonly tunnel: string | null
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
  /** What stands before the token; null where it may be a secret. */
  readonly prefix: string | null
}

/** `method` is in upper case. */
export function explanationOf(method: string, url: string, config: Config): Explanation {
  if (method === 'TRACE') {
    return { outcome: 'refused', tunnel: null, error: TRACE_REFUSED, otherRoutes: [] }
  }
  const candidates = config.routes.map((route) => ({
    config: route,
    match: routeMatch(route.match),
  }))
  const tunnel = tunnelOf(method, url, config)
  if (tunnel !== undefined) {
    const { namesHost } = createRouteTable(candidates)
    return tunnelled(tunnel, namesHost, config)
  }
  let target: RequestTarget | undefined
  try {
    target = targetOf(url.replace(/^ws(?=s?:)/i, 'http'), config)
    const { config: route, match } = createRouteTable(candidates).match(target, method)
    return { ...routed(route, match, target, config), note: noteOn(url) }
  } catch (error) {
    if (!(error instanceof SidecarError)) throw error
    const { code, message } = error
    if (code === 'egress_denied' && config.forward === 'pass')
      return { outcome: 'passed', tunnel: null }
    const isUnclaimed = code === 'route_not_found' || code === 'egress_denied'
    return {
      outcome: 'refused',
      tunnel: null,
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

const TRACE_REFUSED = {
  code: 'method_not_supported',
  message: 'TRACE takes no route, because it would show the token',
}

/**
 * The host and port of the tunnel that a client asks a proxy for: with `CONNECT`, for any `https:` URL that
 * is not the sidecar's own, and for WebSockets with and without TLS (RFC 6455 section 4.1).
 */
function tunnelOf(method: string, url: string, config: Config): string | undefined {
  const [, scheme = '', authority = ''] = /^(https?|wss?):\/\/([^/?#]+)/i.exec(url) ?? []
  const isTls = /^(?:https|wss)$/i.test(scheme)
  const isTunnelled = isTls || /^ws$/i.test(scheme)
  if (method !== 'CONNECT' && (!isTunnelled || isOwnAuthority(authority, config))) return undefined
  if (authority === '') return url
  return /:\d+$/.test(authority) ? authority : `${authority}:${isTls ? 443 : 80}`
}

function tunnelled(
  tunnel: string,
  namesHost: (host: string) => boolean,
  config: Config,
): Explanation {
  try {
    checkTunnelFor(config, tunnel, namesHost)
    return { outcome: 'passed', tunnel }
  } catch (error) {
    if (!(error instanceof SidecarError)) throw error
    const { code, message } = error
    return { outcome: 'refused', tunnel, error: { code, message }, otherRoutes: [] }
  }
}

function noteOn(url: string): string | null {
  const [, scheme] = /^(http|ws)s:/i.exec(url) ?? []
  if (scheme === undefined) return null
  const plain = scheme.toLowerCase()
  return `the sidecar is reached over ${plain}: only, so have the application call ${plain === 'ws' ? 'a' : 'an'} ${plain} URL`
}

/** As the request would arrive: with this listener's host, unless the URL names another. */
function targetOf(url: string, config: Config): RequestTarget {
  const own = ownAuthority(config)
  if (url.startsWith('/')) return parseRequestTarget(url, [own], '1.1')
  const [, authority = own, path = ''] = /^https?:\/\/([^/?#]+)([^]*)$/i.exec(url) ?? []
  return isOwnAuthority(authority, config) && path !== ''
    ? parseRequestTarget(path.startsWith('/') ? path : `/${path}`, [own], '1.1')
    : parseRequestTarget(url, [authority], '1.1')
}

function ownAuthority({ listen }: Config): string {
  return listen.kind === 'tcp' ? formatListenAddress(listen) : 'localhost'
}

function isOwnAuthority(authority: string, config: Config): boolean {
  const { listen } = config
  return (
    authority === ownAuthority(config) ||
    (listen.kind === 'tcp' && isLoopbackAt(authority, listen.port))
  )
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
): Omit<Extract<Explanation, { outcome: 'routed' }>, 'note'> {
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

/**
 * Schemes that APIs have their tokens in, registered or not. Anything else is not shown, because a token
 * may have been put there by mistake.
 */
const SCHEMES: ReadonlySet<string> = new Set([
  '',
  'api-key',
  'apikey',
  'basic',
  'bearer',
  'dpop',
  'jwt',
  'key',
  'oauth',
  'privatetoken',
  'sso-key',
  'ssws',
  'token',
  'zoho-oauthtoken',
])

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
    header: route.inject.header,
    prefix: SCHEMES.has(route.inject.prefix.toLowerCase()) ? route.inject.prefix : null,
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
