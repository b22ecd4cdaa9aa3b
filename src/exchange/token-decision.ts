import { fieldValues } from '../http/field-lines.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'
import { authorizationStatus, grpcStatusOf } from './grpc.ts'

/** What a response says about the token of its request. */
export type TokenDecision = 'accepted' | 'rejected' | 'nonce required'

/**
 * A 401 rejects the token, unless its challenge names a missing scope (RFC 6750 section 3.1), which
 * another token would not have either. A DPoP challenge may require only another proof (RFC 9449
 * section 9). A gRPC call is rejected by the status UNAUTHENTICATED of a trailers-only response.
 */
export function tokenDecision(
  { status, fields }: Pick<UpstreamResponse, 'status' | 'fields'>,
  isGrpc: boolean,
): TokenDecision {
  if (isGrpc && status === 200) {
    return authorizationStatus(grpcStatusOf(fields)) === 401 ? 'rejected' : 'accepted'
  }
  if (status !== 401) return 'accepted'
  const challenges = fieldValues(fields, 'www-authenticate').join(', ')
  if (hasError(challenges, 'insufficient_scope')) return 'accepted'
  if (hasError(challenges, 'use_dpop_nonce')) return 'nonce required'
  return 'rejected'
}

function hasError(challenges: string, code: string): boolean {
  return new RegExp(`\\berror\\s*=\\s*"?${code}"?(?:[\\s,]|$)`, 'i').test(challenges)
}
