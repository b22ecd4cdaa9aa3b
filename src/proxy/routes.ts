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
  readonly namesHost: (host: string) => boolean
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
  const anyHost: PathTable<R> = new Map()
  for (const route of routes) {
    const { host } = route.match
    if (host === undefined) addRoute(anyHost, route)
    else if (host.startsWith('*.')) addRoute(tableFor(suffixes, host.slice(1)), route)
    else addRoute(tableFor(exact, host), route)
  }
  const hasHosts = exact.size > 0 || suffixes.size > 0

  const find = (target: RequestTarget, path: string, method: string): R | undefined => {
    const { host, absolute } = target
    if (hasHosts) {
      for (const table of tablesOf(host)) {
        const route = longestMatch(table, path, method)
        if (route !== undefined) return route
      }
    }
    return absolute ? undefined : longestMatch(anyHost, path, method)
  }

  /** The tables whose hosts cover `host`, the most specific first. */
  function* tablesOf(host: string): Generator<PathTable<R>> {
    const portAt = host.lastIndexOf(':')
    const withoutPort = portAt > host.lastIndexOf(']') ? host.slice(0, portAt) : host
    for (const spelling of new Set([host, withoutPort])) {
      const table = exact.get(spelling)
      if (table !== undefined) yield table
    }
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      for (const spelling of new Set([host.slice(dot), withoutPort.slice(dot)])) {
        const table = suffixes.get(spelling)
        if (table !== undefined) yield table
      }
    }
  }

  return {
    namesHost: (host) => hasHosts && tablesOf(host).next().done !== true,
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
        )
      }
      throw new SidecarError(
        'route_not_found',
        'Cannot route the request: no route matches its host, path and method',
      )
    },
  }
}

/** By prefix; those with one prefix in the order in which they are tried. */
type PathTable<R> = Map<string, R[]>

function tableFor<R>(tables: Map<string, PathTable<R>>, host: string): PathTable<R> {
  const table = tables.get(host) ?? new Map<string, R[]>()
  tables.set(host, table)
  return table
}

function addRoute<R extends { readonly match: RouteMatch }>(table: PathTable<R>, route: R): void {
  const { prefix, methods } = route.match
  const others = table.get(prefix) ?? []
  table.set(prefix, methods === undefined ? [...others, route] : [route, ...others])
}

function longestMatch<R extends { readonly match: RouteMatch }>(
  table: PathTable<R>,
  path: string,
  method: string,
): R | undefined {
  for (let end = path.length; end !== -1; end = end === 0 ? -1 : path.lastIndexOf('/', end - 1)) {
    for (const route of table.get(path.slice(0, end)) ?? []) {
      const { methods } = route.match
      if (methods === undefined || methods.has(method)) return route
    }
  }
  return undefined
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
