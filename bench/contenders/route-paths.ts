/** The path prefixes that a contender with that many routes has to tell apart. */
export function routePrefixes(routes: number): string[] {
  return Array.from({ length: routes }, (_, index) => `/route-${index}`)
}

/** The route that requests take: in the middle, where neither the first nor the last one is lucky. */
export function usedPrefix(routes: number): string {
  return `/route-${Math.floor(routes / 2)}`
}
