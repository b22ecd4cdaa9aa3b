import { fingerprint } from '../lib/fingerprint.ts'
import { jwtClaims } from './jwt-claims.ts'

/**
 * Whom an assertion or a subject token identifies. Kubernetes issues one to each Pod and renews it every
 * hour, but all of them name the same service account.
 */
export function assertionIdentity(text: string): string {
  const { iss, sub, aud } = jwtClaims(text) ?? {}
  return typeof iss === 'string' && typeof sub === 'string'
    ? fingerprint(iss, sub, JSON.stringify(aud))
    : fingerprint(text)
}
