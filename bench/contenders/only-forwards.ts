import type { Needs } from './contender.ts'

/** For contenders that send everything to one upstream. */
export function onlyForwards({ routes, accessLog }: Needs): string | undefined {
  if (routes > 1) return 'it has no routes'
  if (accessLog) return 'it has no access log'
  return undefined
}
