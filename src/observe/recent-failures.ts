import type { FailureCode, SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'

/** The latest failures for the status page, without any text from fields, queries or bodies. */
export type RecentFailures = {
  /** `route` is undefined if none matched. */
  readonly note: (route: string | undefined, failure: SidecarError) => void
  /** Newest first. */
  readonly list: () => RecentFailure[]
}

export type RecentFailure = {
  readonly route: string | undefined
  readonly code: FailureCode
  readonly oauthError: string | undefined
  /** Advice, if it is more specific than that for the code. */
  readonly advice: string | undefined
  /** The message of the latest one. */
  readonly reason: string
  /** Failures of the same kind since `firstAtMs`. */
  readonly count: number
  readonly firstAtMs: number
  readonly lastAtMs: number
}

const MAX_KINDS = 20

/** Keeps the latest 20 kinds of failure. Failures with the same route, code and advice are of one kind. */
export function createRecentFailures(clock: Pick<Clock, 'wallMs'>): RecentFailures {
  // In the order of the last occurrence.
  const kinds = new Map<string, RecentFailure>()
  return {
    note(route, { code, oauthError, advice, message }) {
      // A client that disconnects needs no action.
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
      if (kinds.size > MAX_KINDS && oldest !== undefined) kinds.delete(oldest)
    },
    list: () => [...kinds.values()].toReversed(),
  }
}
