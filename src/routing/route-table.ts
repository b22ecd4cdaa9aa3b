import { SidecarError } from '../errors.ts'
import type { RequestTarget } from './request-target.ts'

/** The requests that a route matches. */
export type RouteMatch = {
  /** `api.example.com`, `*.example.com`, either with a port; undefined for any host. */
  readonly host: string | undefined
  /** Leading path segments, without a trailing slash; empty for any path. */
  readonly prefix: string
  readonly methods: ReadonlySet<string> | undefined
}

export type RouteTable<R> = {
  /**
   * A target in absolute-form only matches routes that name its host, because the same path on another host does not
   * mean the same API. Fails with `route_not_found`, `egress_denied` or `request_invalid`.
   */
  match(target: RequestTarget, method: string): R
  /** The hosts that routes name, as they spell them. */
  readonly hosts: ReadonlySet<string>
  /** All routes that name this host, the most specific first. */
  readonly routesFor: (host: string, scheme: RequestTarget['scheme']) => R[]
  /** Whether a route names this host. */
  readonly namesHost: (host: string, scheme?: RequestTarget['scheme']) => boolean
}

/**
 * Compiled once, so that the cost of a match does not depend on the number of routes: one look-up for the host and one
 * for each path segment. An exact host takes precedence over `*.suffix` (the longest first), and that over any host;
 * then the longest path, then a route with the method. `passThrough` creates routes for forward-proxy requests that no
 * route matches; without it they are denied.
 */
export function createRouteTable<R extends { readonly match: RouteMatch }>(
  routes: readonly R[],
  passThrough?: (target: RequestTarget) => R,
): RouteTable<R> {
  const exact = new Map<string, PathTable<R>>()
  const suffixes = new Map<string, PathTable<R>>()
  const anyHost = emptyTable<R>()
  for (const route of routes) {
    const { host } = route.match
    if (host === undefined) addRoute(anyHost, route)
    else if (host.startsWith('*.')) addRoute(tableFor(suffixes, host.slice(1)), route)
    else addRoute(tableFor(exact, host), route)
  }
  const hasHosts = exact.size > 0 || suffixes.size > 0

  const find = (target: RequestTarget, path: string, method: string): R | undefined => {
    const { host, absolute, scheme } = target
    if (hasHosts) {
      for (const table of tablesOf(host, scheme)) {
        const route = longestMatch(table, path, method)
        if (route !== undefined) return route
      }
    }
    return absolute ? undefined : longestMatch(anyHost, path, method)
  }

  /** The tables whose hosts match `host`, the most specific first; one with a port is more specific. */
  function* tablesOf(host: string, scheme: RequestTarget['scheme']): Generator<PathTable<R>> {
    const portAt = host.lastIndexOf(':')
    const hasPort = portAt > host.lastIndexOf(']')
    const name = hasPort ? host.slice(0, portAt) : host
    const port = hasPort ? host.slice(portAt) : scheme === 'http' ? ':80' : ':443'
    for (const spelling of [name + port, name]) {
      const table = exact.get(spelling)
      if (table !== undefined) yield table
    }
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      for (const spelling of [name.slice(dot) + port, name.slice(dot)]) {
        const table = suffixes.get(spelling)
        if (table !== undefined) yield table
      }
    }
  }

  const namesHost: RouteTable<R>['namesHost'] = (host, scheme = 'http') =>
    hasHosts && tablesOf(host, scheme).next().done !== true

  return {
    namesHost,
    hosts: new Set(routes.flatMap(({ match: { host } }) => (host === undefined ? [] : [host]))),
    routesFor: (host, scheme) =>
      [...tablesOf(host, scheme)].flatMap(({ byPrefix }) => [...byPrefix.values()].flat()),
    match(target, method) {
      const [literal, ...others] = target.interpretations
      const route = find(target, literal, method)
      if (others.some((interpretation) => find(target, interpretation, method) !== route)) {
        throw new SidecarError(
          'request_invalid',
          'Cannot route the request: its path has an encoded or repeated slash, and matches another route without it',
        )
      }
      if (route !== undefined) return route
      if (target.absolute) {
        if (passThrough !== undefined) return passThrough(target)
        throw new SidecarError(
          'egress_denied',
          `Cannot forward the request: no route matches host "${target.host}" with this path and method`,
          { advice: namesHost(target.host, target.scheme) ? NAMED_ADVICE : UNNAMED_ADVICE },
        )
      }
      throw new SidecarError(
        'route_not_found',
        'Cannot route the request: no route matches its host, path and method',
      )
    },
  }
}

const NAMED_ADVICE =
  'A route matches this host, but not this path or method: compare them with "match" of the route.'

const UNNAMED_ADVICE = 'To allow the request, add a route for its host, or set "forward: pass".'

type PathTable<R> = {
  /** The routes for each prefix, in order of precedence. */
  readonly byPrefix: Map<string, R[]>
  /** The number of segments in the longest prefix. */
  depth: number
}

function emptyTable<R>(): PathTable<R> {
  return { byPrefix: new Map(), depth: 0 }
}

function tableFor<R>(tables: Map<string, PathTable<R>>, host: string): PathTable<R> {
  const table = tables.get(host) ?? emptyTable<R>()
  tables.set(host, table)
  return table
}

function addRoute<R extends { readonly match: RouteMatch }>(table: PathTable<R>, route: R): void {
  const { prefix, methods } = route.match
  const others = table.byPrefix.get(prefix) ?? []
  table.byPrefix.set(prefix, methods === undefined ? [...others, route] : [route, ...others])
  table.depth = Math.max(table.depth, prefix.split('/').length - 1)
}

function longestMatch<R extends { readonly match: RouteMatch }>(
  { byPrefix, depth }: PathTable<R>,
  path: string,
  method: string,
): R | undefined {
  const end = endOfSegments(path, depth)
  for (let at = end; at !== -1; at = at === 0 ? -1 : path.lastIndexOf('/', at - 1)) {
    for (const route of byPrefix.get(path.slice(0, at)) ?? []) {
      const { methods } = route.match
      if (methods === undefined || methods.has(method)) return route
    }
  }
  return undefined
}

/** The index at which the first `count` segments of a path end. */
function endOfSegments(path: string, count: number): number {
  let at = 0
  for (let left = count; left > 0; left -= 1) {
    const next = path.indexOf('/', at + 1)
    if (next === -1) return path.length
    at = next
  }
  return at
}

/** How a route maps a path to the upstream. */
export type RouteDestination = {
  readonly match: RouteMatch
  /** The base path of the upstream, without a trailing slash. */
  readonly basePath: string
  readonly keepPath: boolean
}

/** The path for the upstream. Not joined by `URL`, because `new URL('//host/x', base)` takes a host from it. */
export function upstreamPath(
  { match, basePath, keepPath }: RouteDestination,
  path: string,
): string {
  return basePath + (keepPath ? path : pathAfterPrefix(path, match.prefix)) || '/'
}

/** The rest of the path after the prefix of the route, as received. */
function pathAfterPrefix(path: string, prefix: string): string {
  let at = 0
  // Counted in segments, because a percent-encoded prefix is longer in the path than in the route.
  for (let left = prefix.split('/').length - 1; left > 0; left -= 1) {
    const next = path.indexOf('/', at + 1)
    at = next === -1 ? path.length : next
  }
  return path.slice(at)
}
