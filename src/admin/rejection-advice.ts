import type { RejectionStatus } from './status.ts'

type Case = Pick<
  RejectionStatus,
  'status' | 'challenge' | 'hasToken' | 'freshTokenRejected' | 'everyRequestRejected'
>

/** What to do about an API that rejects requests, for the operator on call. */
export function rejectionAdvice(rejection: Case): string {
  const { status, challenge, hasToken, freshTokenRejected, everyRequestRejected } = rejection
  if (!hasToken) {
    return 'The sidecar added no token to the last request: check "credential" of the route, or the token that the application sends itself.'
  }
  if (challenge === 'insufficient_scope') {
    return 'The API requires a scope that the token does not have: compare "scopes" of the route or credential with what the API requires.'
  }
  if (status === 403) {
    return 'The API knows the client, but denies it access: compare the scopes and roles of the token with what the API requires.'
  }
  if (!everyRequestRejected) {
    return 'Some requests succeed: the servers of the API may differ in their clocks or in the signing keys that they know.'
  }
  return freshTokenRejected
    ? 'A new token does not help: compare the issuer, audience and scopes of the token with what the API expects, and ask those who run the API whether its signing keys or rules have changed.'
    : 'The token may have been revoked, or be meant for another API: compare its issuer, audience and expiry with what the API expects.'
}
