import { SidecarError } from '../errors.ts'
import type { RequestTarget } from './request-target.ts'

/** Which requests a route claims. */
export type RouteMatch = {
  /** `api.example.com`, `*.example.com`, either with a port; undefined for any host. */
  readonly host: string | undefined
  /** Whole leading segments, without a slash at the end; empty for any path. */
  readonly prefix: string
  readonly methods: ReadonlySet<string> | undefined
}

export type RouteTable<R> = {
  /**
   * What is addressed to a forward proxy takes routes that name its host only: elsewhere, a path is
   * no sign that this route is meant. Fails with `route_not_found`, `egress_denied` or
   * `request_invalid`.
   */
  match(target: RequestTarget, method: string): R
  /** Whether some route is for this host, whatever the path. */
  readonly namesHost: (host: string, scheme?: RequestTarget['scheme']) => boolean
}

/**
 * Compiled once, so that a match costs the same for two routes and for two thousand: a look-up of
 * the host and one for each segment of the path. An exact host beats `*.suffix` (the longest first),
 * which beats no host; then the longest path wins, then a route that names the method. `passOn` makes
 * routes for forward-proxy requests that nothing else claims; without it they are denied.
 */
export function createRouteTable<R extends { readonly match: RouteMatch }>(
  routes: readonly R[],
  passOn?: (target: RequestTarget) => R,
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

  /** The tables whose hosts cover `host`, the most specific first: a port is one thing more to fit. */
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
    match(target, method) {
      const [literal, ...others] = target.readings
      const route = find(target, literal, method)
      if (others.some((reading) => find(target, reading, method) !== route)) {
        throw new SidecarError(
          'request_invalid',
          'Cannot route the request: its path has an escaped or repeated slash, and another route would match without',
        )
      }
      if (route !== undefined) return route
      if (target.absolute) {
        if (passOn !== undefined) return passOn(target)
        throw new SidecarError(
          'egress_denied',
          `Cannot forward the request: no route is for host "${target.host}" and this path`,
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
  'A route is for this host, but not for this path or method: compare them with "match" of the route.'

const UNNAMED_ADVICE =
  'If the request is meant to pass, add a route for its host, or set "forward: pass". If not, the sidecar did its work.'

type PathTable<R> = {
  /** Those with one prefix in the order in which they are tried. */
  readonly byPrefix: Map<string, R[]>
  /** The number of segments of the longest prefix. */
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

/** Where that many segments of a path end; no route goes deeper, however deep the path does. */
function endOfSegments(path: string, count: number): number {
  let at = 0
  for (let left = count; left > 0; left -= 1) {
    const next = path.indexOf('/', at + 1)
    if (next === -1) return path.length
    at = next
  }
  return at
}

/** Where a route sends a request. */
export type RouteDestination = {
  readonly match: RouteMatch
  /** The path of the upstream that the rest is put behind; without a slash at its end. */
  readonly basePath: string
  readonly keepPath: boolean
}

/** The path to ask the upstream for. Joined by hand: `new URL('//host/x', base)` would find a host in it. */
export function upstreamPath(
  { match, basePath, keepPath }: RouteDestination,
  path: string,
): string {
  return basePath + (keepPath ? path : pathBehind(path, match.prefix)) || '/'
}

/** How the path goes on behind the route's prefix, as received. */
function pathBehind(path: string, prefix: string): string {
  let at = 0
  // Counted in segments: escapes may make the prefix longer in the path than in the route.
  for (let left = prefix.split('/').length - 1; left > 0; left -= 1) {
    const next = path.indexOf('/', at + 1)
    at = next === -1 ? path.length : next
  }
  return path.slice(at)
}
