import type { Clock } from '../lib/clock.ts'
import type { AccessToken } from './access-token.ts'

/** A response with 401 or 403 from an API. */
type RejectedRequest = {
  readonly status: 401 | 403
  /** The error code of its challenge (RFC 6750 section 3.1), if registered. */
  readonly challenge: string | undefined
  /** Undefined if the sidecar added none. */
  readonly token: AccessToken | undefined
  /** Whether the token was requested because the API had rejected another one. */
  readonly isReplacement: boolean
}

export type Rejection = Omit<RejectedRequest, 'isReplacement'> & {
  /** Responses with 401 or 403 to the application since `firstAtMs`. */
  readonly count: number
  /** Whether a token that was issued after the first rejection was rejected, too. */
  readonly isFreshTokenRejected: boolean
  /** Whether no request has succeeded since the first rejection. */
  readonly isEveryRequestRejected: boolean
  readonly firstAtMs: number
  readonly lastAtMs: number
}

/** Records whether the API of one route accepts its requests. */
export type RejectionRecord = {
  readonly succeeded: () => void
  readonly rejected: (request: RejectedRequest) => void
  /** The last series of rejections; undefined if there has been none. */
  readonly read: () => Rejection | undefined
}

/**
 * A series begins with a rejection and ends with a successful request. It has no time limit, because a route
 * that is rarely used may still have every token rejected.
 */
export function createRejectionRecord(clock: Pick<Clock, 'wallMs'>): RejectionRecord {
  let series: Rejection | undefined
  let isOngoing = false
  return {
    succeeded() {
      isOngoing = false
    },
    rejected({ isReplacement, ...request }) {
      const lastAtMs = clock.wallMs()
      const before = isOngoing ? series : undefined
      const firstAtMs = before?.firstAtMs ?? lastAtMs
      const isIssuedLater = (request.token?.obtainedAt.wallMs ?? 0) > firstAtMs
      series = {
        ...request,
        count: (before?.count ?? 0) + 1,
        isFreshTokenRejected:
          before?.isFreshTokenRejected === true || isReplacement || isIssuedLater,
        isEveryRequestRejected: true,
        firstAtMs,
        lastAtMs,
      }
      isOngoing = true
    },
    read: () => series && { ...series, isEveryRequestRejected: isOngoing },
  }
}
