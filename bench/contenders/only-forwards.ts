import type { Needs } from './contender.ts'

/** The limits of contenders that forward every HTTP/1.1 request to one upstream. */
export function onlyForwards({ routes, accessLog, http2 }: Needs): string | undefined {
  if (routes > 1) return 'it has no routes'
  if (http2 !== 'neither') return 'it supports only HTTP/1.1'
  if (accessLog) return 'it has no access log'
  return undefined
}
