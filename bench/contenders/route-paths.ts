/** The path prefixes of a contender that is configured with this number of routes. */
export function routePrefixes(routes: number): string[] {
  return Array.from({ length: routes }, (_, index) => `/route-${index}`)
}

/** The route that requests match: the middle one, so that search order favours no contender. */
export function usedPrefix(routes: number): string {
  return `/route-${Math.floor(routes / 2)}`
}
