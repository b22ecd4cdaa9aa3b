import type { Upstream } from '../outbound/upstream.ts'
import type { RequestTarget } from '../routing/request-target.ts'
import type { Route } from './route.ts'

/** Routes to hosts that the configuration does not name, created on demand. */
export type PassThrough = {
  readonly routeTo: (target: RequestTarget) => Route
  readonly close: () => void
}

/** Limits the upstreams that an application can open; the least recently used one is closed. */
const MAX_ORIGINS = 64

export function createPassThrough(
  open: (origin: string) => Upstream,
  routeThrough: (upstream: Upstream) => Route,
): PassThrough {
  const routes = new Map<string, { readonly route: Route; readonly upstream: Upstream }>()
  const openRoute = (origin: string) => {
    const upstream = open(origin)
    return { route: routeThrough(upstream), upstream }
  }
  return {
    routeTo({ scheme, host }) {
      const origin = `${scheme}://${host}`
      const entry = routes.get(origin) ?? openRoute(origin)
      // A Map iterates in order of insertion.
      routes.delete(origin)
      routes.set(origin, entry)
      const [oldest] = routes
      if (routes.size > MAX_ORIGINS && oldest !== undefined) {
        routes.delete(oldest[0])
        // Requests that were routed before are completed.
        oldest[1].upstream.retire()
      }
      return entry.route
    },
    close() {
      for (const { upstream } of routes.values()) upstream.close()
    },
  }
}
