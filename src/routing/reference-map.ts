import type { RouteDestination } from './route-table.ts'

/**
 * Rewrites a URI reference that points to the upstream to point to the sidecar, so that the application
 * does not call the upstream directly and without a token. `ownOrigin` is the origin by which the application
 * addressed the sidecar, or empty if the request had none. Other references are returned unchanged.
 */
export type ReferenceMap = (reference: string, ownOrigin: string) => string

/** What the reverse mapping needs of a route. */
export type MappedRoute = RouteDestination & { readonly origin: string }

/**
 * A path outside of the route's own base path may be reachable through another one of `all` routes with the same
 * origin and host. They are filtered on demand, because one list for each route would need quadratic memory.
 */
export function createReferenceMap(
  own: MappedRoute,
  all: readonly MappedRoute[] = [],
): ReferenceMap {
  const host = hostOf(own.origin)
  const sharesOrigin = ({ origin, match }: MappedRoute): boolean =>
    origin === own.origin && match.host === own.match.host
  return (reference, ownOrigin) => {
    const [, scheme, authority, rest = ''] =
      /^(?:(?:(https?):)?\/\/([^/?#]*))?(\/[^]*|[?#][^]*|)$/i.exec(reference) ?? []
    if (authority !== undefined && hostOf(`${scheme ?? 'http'}://${authority}`) !== host) {
      return reference
    }
    // Relative-path references such as "7" and "?x" need no mapping (RFC 3986 section 4.2).
    if (authority === undefined && !rest.startsWith('/')) return reference
    const [, path = '', suffix = ''] = /^([^?#]*)([^]*)$/.exec(rest) ?? []
    for (const candidate of [own, ...all.filter(sharesOrigin)]) {
      const mapped = sidecarPath(path === '' ? '/' : path, candidate)
      if (mapped !== undefined) {
        // A leading "//" would begin an authority (RFC 3986 section 4.2).
        const isRooted = authority === undefined && !mapped.startsWith('//')
        return (isRooted ? '' : ownOrigin || rootOf(mapped)) + mapped + suffix
      }
    }
    // No route reaches the path; relative to the sidecar it would name another resource.
    return authority === undefined ? own.origin + reference : reference
  }
}

function rootOf(path: string): string {
  return path.startsWith('//') ? '/.' : ''
}

/**
 * `Refresh` (HTML Living Standard, section 4.2.5.3): `5; url=https://…`, with or without quotes. Parsed in steps,
 * because a single regular expression would backtrack excessively on white space.
 */
export function mapRefresh(value: string, map: ReferenceMap, ownOrigin: string): string {
  const [delay] = /^[\d.]+[\t ]*[;,][\t ]*/.exec(value) ?? []
  if (delay === undefined) return value
  const rest = value.slice(delay.length)
  const [lead = ''] = /^(?:url[\t ]*=[\t ]*)?["']?/i.exec(rest) ?? []
  const quote = lead.at(-1) ?? ''
  const target = rest.slice(lead.length)
  const endAt = quote === '"' || quote === "'" ? target.indexOf(quote) : -1
  const reference = endAt === -1 ? target.trimEnd() : target.slice(0, endAt)
  return reference === ''
    ? value
    : delay + lead + map(reference, ownOrigin) + target.slice(reference.length)
}

/** The path of the sidecar that the route maps to `path` of the upstream; undefined if there is none. */
export function sidecarPath(path: string, route: RouteDestination): string | undefined {
  const { match, basePath, keepPath } = route
  const rest = pathBelow(path, basePath)
  if (rest === undefined) return undefined
  if (!keepPath) return `${match.prefix}${rest}` || '/'
  return pathBelow(rest === '' ? '/' : rest, match.prefix) === undefined ? undefined : rest || '/'
}

/** The rest of a path after `base`, which has no trailing slash; undefined if the path is not below `base`. */
function pathBelow(path: string, base: string): string | undefined {
  if (!path.startsWith(base)) return undefined
  const rest = path.slice(base.length)
  return rest === '' || rest.startsWith('/') ? rest : undefined
}

/**
 * The host, and the port unless it is a default one. The scheme is ignored, because an upstream behind a
 * TLS-terminating proxy often writes http URLs.
 */
function hostOf(origin: string): string | undefined {
  const url = URL.parse(origin)
  return url === null || url.username !== '' || url.password !== ''
    ? undefined
    : url.host.replace(/:(?:80|443)$/, '')
}
