import {
  createRequestDecisions,
  type RequestDecision,
  type RequestDecisions,
} from '../compose/request-decision.ts'
import type { PlannedToken, RoutePlan } from '../compose/route-plan.ts'
import { formatListenAddress } from '../config/listen-address.ts'
import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import { SidecarError } from '../errors.ts'
import type { RequestTarget } from '../routing/request-target.ts'
import { createRouteTable, type RouteMatch } from '../routing/route-table.ts'
import { type RouteCriteria, routeCriteria } from './route-criteria.ts'
import { connectionOrigin, originNote, type Origin, whyReset } from './explained-origin.ts'
import { tokenFrom } from './token-from.ts'

/** What the sidecar does with a request, and why. */
export type Explanation =
  | {
      readonly outcome: 'routed'
      readonly route: ExplainedRoute
      /** The URL of the request to the upstream. */
      readonly upstream: string
      /** The URL of the proxy through which it is sent; null for a direct connection. */
      readonly proxy: string | null
      /** Null for a request that gets none. */
      readonly token: ExplainedToken | null
      /** Other origins whose web pages may send this request. */
      readonly webPageOrigins: readonly string[]
      /** What differs from the request as it was given; null for nothing. */
      readonly note: string | null
    }
  /** No route matches, and the request is forwarded without a token. */
  | { readonly outcome: 'passed'; readonly tunnel: string | null; readonly proxy: string | null }
  | {
      readonly outcome: 'refused'
      /** The target of the `CONNECT` that a client sends for the URL; null for an ordinary request. */
      readonly tunnel: string | null
      readonly error: { readonly code: string; readonly message: string }
      /** If no route matches: the criterion of each route that the request does not meet. */
      readonly otherRoutes: readonly { readonly route: string; readonly reason: string }[]
    }

type ExplainedRoute = RouteCriteria & { readonly name: string }

type ExplainedToken = {
  readonly credential: string
  readonly clientId: string | null
  readonly tokenFrom: string
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  readonly resource: readonly string[]
  readonly header: string
  /** What precedes the token; null where it may be a secret. */
  readonly prefix: string | null
}

export type ExplainedRequest = {
  /** In upper case. */
  readonly method: string
  /** A path, or the URL that the application calls. */
  readonly url: string
  /** Names and values, alternating. */
  readonly fields: readonly string[]
}

/** `listener` is the one that receives the request. */
export function explanationOf(
  request: ExplainedRequest,
  config: Config,
  listener: ListenerConfig,
): Explanation {
  const { method, url, fields } = request
  const decisions = createRequestDecisions(config, listener)
  const origin = connectionOrigin(request, listener, decisions)
  if (listener.mode === 'transparent') {
    const reason = whyReset(request, config, origin)
    if (reason !== undefined) return reset(reason)
  }
  const tunnel = origin === undefined ? tunnelOf(request, decisions) : undefined
  if (method === 'CONNECT' && tunnel !== undefined && decisions.isIntercepted(tunnel)) {
    // Requests inside of the tunnel are decided one by one; this is the simplest one.
    return explanationOf({ method: 'GET', url: `https://${tunnel}/`, fields }, config, listener)
  }
  const forwardProxy = config.forward.proxy?.url ?? null
  if (tunnel !== undefined) return tunnelled(tunnel, decisions, forwardProxy)
  const { target, host } = asSent(url, listener, decisions, origin)
  const hasHost = fields.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'host')
  const decision = decisions.decide(
    { method, target, version: '1.1' },
    hasHost ? fields : ['Host', host, ...fields],
    origin,
  )
  switch (decision.outcome) {
    case 'passed': {
      return { outcome: 'passed', tunnel: null, proxy: forwardProxy }
    }
    case 'refused': {
      const { error, unmatched } = decision
      return {
        outcome: 'refused',
        tunnel: null,
        error: { code: error.code, message: error.message },
        otherRoutes:
          unmatched === undefined || error.code === 'request_invalid'
            ? []
            : [
                ...reasonsOf(decisions.plans, unmatched, method),
                ...routesElsewhere(listener, config),
              ],
      }
    }
    case 'routed': {
      return routed(
        decision,
        origin === undefined ? schemeNote(url) : originNote(origin),
        config,
        listener,
      )
    }
  }
}

function reset(reason: string): Explanation {
  return {
    outcome: 'refused',
    tunnel: null,
    error: { code: 'egress_denied', message: `Cannot serve the connection: ${reason}` },
    otherRoutes: [],
  }
}

function reasonsOf(plans: readonly RoutePlan[], target: RequestTarget, method: string) {
  return plans.map(({ config, match }) => ({
    route: config.name,
    reason: whyNot(match, target, method),
  }))
}

/** Routes that only other listeners serve. */
function routesElsewhere({ name }: ListenerConfig, { routes }: Config) {
  return routes.flatMap(({ name: route, listeners }) =>
    listeners === undefined || listeners.includes(name)
      ? []
      : [{ route, reason: `is served by ${listeners.join(', ')} only, not by ${name}` }],
  )
}

/**
 * The host and port of the tunnel that a client asks a proxy for: with `CONNECT`, for any `https:` URL that
 * is not the sidecar's own, and for WebSockets with and without TLS (RFC 6455 section 4.1).
 */
function tunnelOf(
  { method, url }: ExplainedRequest,
  { isOwn }: RequestDecisions,
): string | undefined {
  if (method === 'TRACE') return undefined
  const [, scheme = '', authority = ''] = /^(https?|wss?):\/\/([^/?#]+)/i.exec(url) ?? []
  const isTls = /^(?:https|wss)$/i.test(scheme)
  const isTunnelled = isTls || /^ws$/i.test(scheme)
  if (method !== 'CONNECT' && (!isTunnelled || isOwn(authority))) return undefined
  if (authority === '') return url
  return /:\d+$/.test(authority) ? authority : `${authority}:${isTls ? 443 : 80}`
}

function tunnelled(
  tunnel: string,
  { checkTunnel, isIntercepted }: RequestDecisions,
  proxy: string | null,
): Explanation {
  if (isIntercepted(tunnel)) {
    const error = { code: 'request_invalid', message: PLAIN_HTTP }
    return { outcome: 'refused', tunnel, error, otherRoutes: [] }
  }
  try {
    checkTunnel(tunnel)
    return { outcome: 'passed', tunnel, proxy }
  } catch (error) {
    if (!(error instanceof SidecarError)) throw error
    const { code, message } = error
    return { outcome: 'refused', tunnel, error: { code, message }, otherRoutes: [] }
  }
}

/** For `ws:` through a tunnel. */
const PLAIN_HTTP =
  'Cannot read the request: the client speaks plain HTTP inside of CONNECT, where TLS is expected'

/** The request target and `Host` as a client sends them (RFC 9112 section 3.2). */
function asSent(
  url: string,
  { address }: ListenerConfig,
  { isOwn }: RequestDecisions,
  origin: Origin | undefined,
): { readonly target: string; readonly host: string } {
  const own = address.kind === 'tcp' ? formatListenAddress(address) : 'localhost'
  const [, authority, path = ''] = /^(?:https?|wss?):\/\/([^/?#]+)([^]*)$/i.exec(url) ?? []
  if (authority === undefined) return { target: url, host: own }
  if (origin === undefined && !isOwn(authority)) return { target: url, host: authority }
  return { target: path.startsWith('/') ? path : `/${path}`, host: authority }
}

function routed(
  { plan, upstream, token }: Exclude<RequestDecision, { outcome: 'refused' }>,
  connectionNote: string | undefined,
  { access }: Config,
  { auth }: ListenerConfig,
): Explanation {
  const { config, match } = plan
  const notes = [
    connectionNote,
    plan.token !== token && OWN_FIELD_NOTE,
    auth?.basic !== undefined && 'the listener requires a user name and password',
    auth?.clientCertificates !== undefined && 'the listener allows some client certificates only',
  ].filter(Boolean)
  return {
    outcome: 'routed',
    route: { name: config.name, ...routeCriteria(match) },
    upstream,
    proxy: config.proxy?.url ?? null,
    token: token === undefined ? null : explainedToken(token),
    webPageOrigins: access.origins,
    note: notes.length === 0 ? null : notes.join('; '),
  }
}

const OWN_FIELD_NOTE =
  'the request has the header already, and "existingAuthorization" of the route keeps it: no token is injected'

function schemeNote(url: string): string | undefined {
  const [, scheme] = /^(http|ws)s:/i.exec(url) ?? []
  if (scheme === undefined) return undefined
  const plain = scheme.toLowerCase()
  return `the sidecar is reached over ${plain}: only, so have the application call ${plain === 'ws' ? 'a' : 'an'} ${plain} URL`
}

/**
 * Authentication schemes that APIs use, registered or not. Any other prefix is hidden, because it may be a token
 * that was put there by mistake.
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

function explainedToken(token: PlannedToken): ExplainedToken {
  const { credentialName, credential, requested, header, prefix } = token
  return {
    credential: credentialName,
    clientId: credential.clientId ?? null,
    tokenFrom: tokenFrom(credential),
    ...requested,
    header,
    prefix: SCHEMES.has(prefix.toLowerCase()) ? prefix : null,
  }
}

/** The first criterion of a route that a request does not meet. */
function whyNot(match: RouteMatch, target: RequestTarget, method: string): string {
  if (target.absolute && match.host === undefined) {
    return 'has no host, so it does not match forward-proxy requests'
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
    return `requires host ${match.host}, not ${target.host}`
  }
  if (!accepts({ host: undefined, prefix: match.prefix, methods: undefined })) {
    return `requires a path below ${match.prefix}`
  }
  return `requires method ${[...(match.methods ?? [])].join(' or ')}, not ${method}`
}
