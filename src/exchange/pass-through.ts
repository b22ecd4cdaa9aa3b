import type { RequestTarget } from '../routing/request-target.ts'
import type { Route } from './route.ts'
import type { Upstream } from '../outbound/upstream.ts'

/** Ways to hosts that no route names, made as they are asked for. */
export type Passage = {
  readonly routeTo: (target: RequestTarget) => Route
  readonly close: () => void
}

/** Those used longest ago make room: an application may ask for any number of hosts. */
const MOST_ORIGINS = 64

export function createPassage(
  open: (origin: string) => Upstream,
  routeThrough: (upstream: Upstream) => Route,
): Passage {
  const routes = new Map<string, Route>()
  return {
    routeTo({ scheme, host }) {
      const origin = `${scheme}://${host}`
      const route = routes.get(origin) ?? routeThrough(open(origin))
      // The order of a Map is that of insertion.
      routes.delete(origin)
      routes.set(origin, route)
      const [oldest] = routes
      if (routes.size > MOST_ORIGINS && oldest !== undefined) {
        routes.delete(oldest[0])
        // What runs on it is finished first; so is what was given it and sets out later.
        oldest[1].upstream.retire()
      }
      return route
    },
    close() {
      for (const { upstream } of routes.values()) upstream.close()
    },
  }
}
