import { sidecarPath } from './reference-map.ts'
import type { RouteDestination } from './route-table.ts'

/** How the attributes of cookies are rewritten (RFC 6265 section 4.1.2). */
export type CookiePolicy = {
  /** Without `Domain`, a cookie is sent to the host that set it: the sidecar. */
  readonly dropDomain: boolean
  /** Over plain HTTP, the application would not send back a `Secure` cookie. */
  readonly dropSecure: boolean
  /** The route that maps paths; undefined to keep them. */
  readonly pathsOf: RouteDestination | undefined
}

/** Rewrites the value of one `Set-Cookie` line. Other attributes are forwarded as received. */
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

/** A path above the route's base path, such as "/", becomes the prefix of the route. */
function cookiePath(path: string, route: RouteDestination): string {
  const mapped = sidecarPath(path, route)
  if (mapped !== undefined) return mapped
  const covers = `${route.basePath}/`.startsWith(path.endsWith('/') ? path : `${path}/`)
  return covers ? route.match.prefix || '/' : path
}
