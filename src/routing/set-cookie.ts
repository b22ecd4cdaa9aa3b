import { pathBefore } from './reference-map.ts'
import type { RouteDestination } from './route-table.ts'

/** What happens to the attributes of cookies (RFC 6265 section 4.1.2) that were made for the upstream. */
export type CookiePolicy = {
  /** Without `Domain` a cookie goes back to the host that it came from: the sidecar. */
  readonly dropDomain: boolean
  /** The application's connection is not encrypted, so it would not send a cookie that is `Secure`. */
  readonly dropSecure: boolean
  /** The route by which paths are mapped; undefined to keep them. */
  readonly pathsOf: RouteDestination | undefined
}

/** `value` is that of one `Set-Cookie` line. What is not changed stays as it was written. */
export function mapCookie(value: string, policy: CookiePolicy): string {
  const [pair = '', ...attributes] = value.split(';')
  const kept = attributes.flatMap((attribute) => {
    const [name = '', ...content] = attribute.split('=')
    switch (name.trim().toLowerCase()) {
      case 'domain': {
        return policy.dropDomain ? [] : [attribute]
      }
      case 'secure': {
        return policy.dropSecure ? [] : [attribute]
      }
      case 'path': {
        const path = content.join('=').trim()
        return policy.pathsOf === undefined || !path.startsWith('/')
          ? [attribute]
          : [`${name}=${cookiePath(path, policy.pathsOf)}`]
      }
      default: {
        return [attribute]
      }
    }
  })
  return [pair, ...kept].join(';')
}

/** A path above the route's, such as "/", covers all of the route, and nothing else that it could know of. */
function cookiePath(path: string, route: RouteDestination): string {
  const mapped = pathBefore(path, route)
  if (mapped !== undefined) return mapped
  const covers = `${route.basePath}/`.startsWith(path.endsWith('/') ? path : `${path}/`)
  return covers ? route.match.prefix || '/' : path
}
