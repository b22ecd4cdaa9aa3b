import type { RouteDestination } from './route-table.ts'

/**
 * Turns a reference to the upstream into one to the sidecar, so that the application stays on it:
 * what it fetched from the upstream itself would lack the token. `ownOrigin` is how the application
 * addressed the sidecar, or empty when it did not say. References to elsewhere come back as they are.
 */
export type ReferenceMap = (reference: string, ownOrigin: string) => string

/** A route as seen from the upstream's side of it. */
export type MappedRoute = RouteDestination & { readonly origin: string }

/**
 * The map of a route. Where the reference lies outside of what the route itself reaches, one of `all`
 * routes may reach it: those that the application addresses by the same host. They are looked through
 * when they are needed, because a list of its own for each route would grow with their square.
 */
export function createReferenceMap(
  own: MappedRoute,
  all: readonly MappedRoute[] = [],
): ReferenceMap {
  const host = hostOf(own.origin)
  const isNear = ({ origin, match }: MappedRoute): boolean =>
    origin === own.origin && match.host === own.match.host
  return (reference, ownOrigin) => {
    const [, scheme, authority, rest = ''] =
      /^(?:(?:(https?):)?\/\/([^/?#]*))?(\/[^]*|[?#][^]*|)$/i.exec(reference) ?? []
    if (authority !== undefined && hostOf(`${scheme ?? 'http'}://${authority}`) !== host) {
      return reference
    }
    // Without an authority only a path from the root is another one from here; "7" and "?x" are not.
    if (authority === undefined && !rest.startsWith('/')) return reference
    const [, path = '', suffix = ''] = /^([^?#]*)([^]*)$/.exec(rest) ?? []
    for (const candidate of [own, ...all.filter(isNear)]) {
      const mapped = pathBefore(path === '' ? '/' : path, candidate)
      if (mapped !== undefined) {
        // What begins with two slashes would name another host (RFC 3986 section 4.2).
        const isRooted = authority === undefined && !mapped.startsWith('//')
        return (isRooted ? '' : ownOrigin || rootOf(mapped)) + mapped + suffix
      }
    }
    // A path that no route leads to would mean another one here.
    return authority === undefined ? own.origin + reference : reference
  }
}

function rootOf(path: string): string {
  return path.startsWith('//') ? '/.' : ''
}

/**
 * RFC-less, but every browser knows it: `5; url=https://…`, with or without quotes. Read step by
 * step, because one expression for all of it would take hours for a line of spaces.
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

/** The path for which the sidecar would ask the upstream for `path`; undefined if there is none. */
export function pathBefore(path: string, route: RouteDestination): string | undefined {
  const { match, basePath, keepPath } = route
  const rest = pathBelow(path, basePath)
  if (rest === undefined) return undefined
  if (!keepPath) return `${match.prefix}${rest}` || '/'
  return pathBelow(rest === '' ? '/' : rest, match.prefix) === undefined ? undefined : rest || '/'
}

/** How the path goes on behind `base`, which has no slash at its end; undefined if it does not lie in it. */
function pathBelow(path: string, base: string): string | undefined {
  if (!path.startsWith(base)) return undefined
  const rest = path.slice(base.length)
  return rest === '' || rest.startsWith('/') ? rest : undefined
}

/**
 * Host and port, if the latter is unusual. The scheme is left out: behind something that ends TLS,
 * an upstream often believes that it is called by http.
 */
function hostOf(origin: string): string | undefined {
  const url = URL.parse(origin)
  return url === null || url.username !== '' || url.password !== ''
    ? undefined
    : url.host.replace(/:(?:80|443)$/, '')
}
