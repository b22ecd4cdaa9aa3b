import { fieldValues } from '../http/field-lines.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { RejectionRecord } from '../tokens/rejection-record.ts'

/** Error codes of a challenge (RFC 6750 section 3.1, RFC 9449 section 7.1); others are a server's own text. */
const CHALLENGE_ERRORS = [
  'invalid_token',
  'insufficient_scope',
  'invalid_request',
  'invalid_dpop_proof',
  'use_dpop_nonce',
  'insufficient_user_authentication',
] as const

/** The statuses that say that a request was not authorized (RFC 9110 sections 15.5.2 and 15.5.4). */
function isRejection(status: number): status is 401 | 403 {
  return status === 401 || status === 403
}

/**
 * Whether a response shows that the API accepted the request. A redirect may lead to a login page, an
 * error may come from a server in front of the API, and a preflight request needs no token.
 */
export function isSuccess(status: number, method: string): boolean {
  return (
    (status === 101 || (status >= 200 && status < 300) || status === 304) && method !== 'OPTIONS'
  )
}

/** The error code of the challenge in a response; `headers` alternates names and values. */
export function challengeError(headers: readonly string[]): string | undefined {
  const challenges = fieldValues(headers, 'www-authenticate').join(', ')
  const code = /\berror\s*=\s*"?(?<code>[a-z_]+)/i.exec(challenges)?.groups?.['code']?.toLowerCase()
  return CHALLENGE_ERRORS.find((known) => known === code)
}

type AuthorizationRecord = {
  readonly rejections: RejectionRecord
  readonly metrics: Pick<RouteMetrics, 'notAuthorized'>
}

export type AuthorizedResponse = {
  readonly method: string
  /** For a gRPC call that was not authorized, the status of HTTP with this meaning. */
  readonly status: number
  /** Names and values, alternating. */
  readonly fields: readonly string[]
  /** The token of the last attempt; undefined where the sidecar added none. */
  readonly token: AccessToken | undefined
  /** Whether that token was requested because another one had been rejected. */
  readonly isReplacement: boolean
}

/** Records for the operator whether the API authorized a request. */
export function recordAuthorization(
  { rejections, metrics }: AuthorizationRecord,
  response: AuthorizedResponse,
): void {
  const { method, status, fields, token, isReplacement } = response
  if (isSuccess(status, method)) rejections.succeeded()
  else if (isRejection(status)) {
    metrics.notAuthorized(status)
    rejections.rejected({ status, challenge: challengeError(fields), token, isReplacement })
  }
}
