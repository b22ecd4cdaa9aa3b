import type { FailureCode, SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'

/** The failures that a person should see first. Nothing in them comes from headers, queries or bodies. */
export type RecentFailures = {
  /** `route` is undefined where none claimed the request. */
  readonly note: (route: string | undefined, failure: SidecarError) => void
  /** The newest first. */
  readonly list: () => RecentFailure[]
}

export type RecentFailure = {
  readonly route: string | undefined
  readonly code: FailureCode
  readonly oauthError: string | undefined
  /** What to do about it, where more is known than the code tells. */
  readonly advice: string | undefined
  /** The words of the last one. */
  readonly reason: string
  /** How many of the same kind came since `firstAtMs`. */
  readonly count: number
  readonly firstAtMs: number
  readonly lastAtMs: number
}

const MOST = 20

/** Keeps the last 20 kinds of failure: those of one route with one code and one advice are one kind. */
export function createRecentFailures(clock: Pick<Clock, 'wallMs'>): RecentFailures {
  // In the order of their last time.
  const kinds = new Map<string, RecentFailure>()
  return {
    note(route, { code, oauthError, advice, message }) {
      // The application changed its mind: nobody has to do anything.
      if (code === 'client_closed') return
      const key = `${code} ${route ?? ''} ${advice ?? ''}`
      const before = kinds.get(key)
      const nowMs = clock.wallMs()
      kinds.delete(key)
      kinds.set(key, {
        route,
        code,
        oauthError,
        advice,
        reason: message,
        count: (before?.count ?? 0) + 1,
        firstAtMs: before?.firstAtMs ?? nowMs,
        lastAtMs: nowMs,
      })
      const [oldest] = kinds.keys()
      if (kinds.size > MOST && oldest !== undefined) kinds.delete(oldest)
    },
    list: () => [...kinds.values()].toReversed(),
  }
}
