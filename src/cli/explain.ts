import { presetOf } from '../compose/provider-presets.ts'
import { routeMatch } from '../compose/routes.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import type { Config } from '../config/schema.ts'
import { SidecarError } from '../errors.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
import { parseRequestTarget, type RequestTarget } from '../proxy/request-target.ts'
import { createRouteTable, type RouteMatch, upstreamPath } from '../proxy/routes.ts'
import { formatLines } from './describe-token.ts'
import { EXIT, type Io } from './io.ts'
import { readReadableConfig } from './read-config.ts'

export type ExplainOptions = {
  readonly method: string
  readonly url: string
  readonly file: string
}

/** `explain`: which route a request takes, where it goes, which token it gets, and why. */
export async function explain({ method, url, file }: ExplainOptions, io: Io): Promise<number> {
  const config = await readReadableConfig(file, io)
  if (config === undefined) return EXIT.configInvalid

  const candidates = config.routes.map((route) => ({
    config: route,
    match: routeMatch(route.match),
  }))
  const verb = method.toUpperCase()
  if (verb === 'TRACE' || verb === 'CONNECT') {
    io.out(`${verb} ${url}\n  ${WITHOUT_ROUTE[verb]}\n`)
    return EXIT.failed
  }
  let target: RequestTarget | undefined
  try {
    target = targetOf(url, config)
    const { config: route, match } = createRouteTable(candidates).match(
      target,
      method.toUpperCase(),
    )
    io.out(`${method.toUpperCase()} ${url}\n${describeRoute(route, match, target, config)}`)
    return EXIT.ok
  } catch (error) {
    if (!(error instanceof SidecarError)) throw error
    if (error.code === 'egress_denied' && config.forward === 'pass') {
      io.out(
        `${method.toUpperCase()} ${url}\n  no route names it: "forward: pass" sends it on, without a token\n`,
      )
      return EXIT.ok
    }
    io.out(`${method.toUpperCase()} ${url}\n  ${error.code}: ${error.message}\n`)
    const { code } = error
    if (target !== undefined && (code === 'route_not_found' || code === 'egress_denied')) {
      for (const { config: route, match } of candidates) {
        io.out(`  route "${route.name}": ${whyNot(match, target, method.toUpperCase())}\n`)
      }
    }
    return EXIT.failed
  }
}

const WITHOUT_ROUTE = {
  TRACE: 'method_not_supported: TRACE takes no route, because it would show the token',
  CONNECT:
    'egress_denied: a tunnel takes no route; to a host that a route names it is refused, and to others unless "forward: pass"',
} as const

/** As the request would arrive: with this listener's host, unless the URL names another. */
function targetOf(url: string, { listen }: Config): RequestTarget {
  const own = listen.kind === 'tcp' ? authorityOf(listen) : 'localhost'
  if (url.startsWith('/')) return parseRequestTarget(url, [own], '1.1')
  const [, authority = own, path = ''] = /^https?:\/\/([^/?#]+)([^]*)$/i.exec(url) ?? []
  const isOwn = authority === own || (listen.kind === 'tcp' && isLoopbackAt(authority, listen.port))
  return isOwn && path !== ''
    ? parseRequestTarget(path.startsWith('/') ? path : `/${path}`, [own], '1.1')
    : parseRequestTarget(url, [authority], '1.1')
}

function isLoopbackAt(authority: string, port: number): boolean {
  const url = URL.parse(`http://${authority}`)
  return url !== null && isLoopbackHost(url.hostname) && Number(url.port || 80) === port
}

function authorityOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function describeRoute(
  route: RouteConfig,
  match: RouteMatch,
  target: RequestTarget,
  config: Config,
): string {
  const upstream = new URL(route.upstream)
  const basePath = upstream.pathname.replace(/\/$/, '')
  const sent = upstreamPath({ match, basePath, keepPath: route.keepPath }, target.path)
  const reasons = [
    match.host === undefined ? 'any host' : `host ${match.host}`,
    match.prefix === '' ? 'any path' : `path ${match.prefix}`,
    match.methods === undefined ? 'any method' : `method ${[...match.methods].join(' or ')}`,
  ]
  const lines: [string, string][] = [
    ['route', `${route.name} (${reasons.join(', ')})`],
    ['upstream', `${upstream.origin}${sent}${target.query}`],
  ]
  const credential = config.credentials[route.credential]
  if (credential === undefined) {
    lines.push(['credential', 'none: the request is only forwarded'])
  } else {
    const scopes = route.scopes ?? credential.scopes
    const audience = route.audience ?? credential.audience
    const resource = route.resource ?? credential.resource
    const { header, prefix } = route.inject
    lines.push(
      [
        'credential',
        [route.credential, credential.clientId && `client "${credential.clientId}"`]
          .filter(Boolean)
          .join(', '),
      ],
      [
        'token from',
        credential.issuer ?? credential.tokenEndpoint ?? presetOf(credential).tokenEndpoint ?? '',
      ],
    )
    if (scopes.length > 0) lines.push(['scopes', scopes.join(' ')])
    if (audience.length > 0) lines.push(['audience', audience.join(' ')])
    if (resource.length > 0) lines.push(['resource', resource.join(' ')])
    lines.push(['header', `${header}: ${[prefix, '<token>'].filter(Boolean).join(' ')}`])
  }
  return formatLines(lines)
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
