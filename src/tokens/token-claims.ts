import type { AccessToken } from './access-token.ts'
import { jwtClaims } from './jwt-claims.ts'

/** Claims of a token, sanitized for display. */
export type TokenClaims = {
  readonly issuer: string | undefined
  readonly audience: readonly string[]
  readonly scopes: readonly string[]
  readonly expiresAt: string | undefined
}

const MAX_TEXT_LENGTH = 200
const MAX_TEXTS = 20
/** The maximum time value of a Date (ECMA-262 section 21.4.1.1). */
const MAX_TIME_MS = 8.64e15

/**
 * The claims of a JWT (RFC 7519 section 4.1, RFC 9068 section 2.2) that decide whether an API accepts
 * it; undefined for an opaque token.
 */
export function readTokenClaims({ value }: Pick<AccessToken, 'value'>): TokenClaims | undefined {
  const claims = jwtClaims(value.reveal())
  if (claims === undefined) return undefined
  const { iss, aud, scope, scp, roles, exp } = claims
  return {
    issuer: textsOf(iss)[0],
    audience: textsOf(aud),
    // Entra ID uses "scp" and "roles", Okta an array in "scp".
    scopes: [scope, scp, roles].flatMap((claim) => scopesOf(claim)).slice(0, MAX_TEXTS),
    expiresAt: timeOf(exp),
  }
}

/** Splits a list of scopes (RFC 6749 section 3.3) and sanitizes it for display. */
export function scopesOf(claim: unknown): string[] {
  const values = typeof claim === 'string' ? claim.split(' ') : claim
  return textsOf(values).filter((scope) => scope !== '')
}

function textsOf(claim: unknown): string[] {
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  return values
    .filter((value) => typeof value === 'string')
    .slice(0, MAX_TEXTS)
    .map((text) => printable(text))
}

/** Control, format and bidirectional characters could disguise a text. */
function printable(text: string): string {
  const shown = text.slice(0, MAX_TEXT_LENGTH).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{FFFD}')
  return text.length > MAX_TEXT_LENGTH ? `${shown}…` : shown
}

function timeOf(exp: unknown): string | undefined {
  return typeof exp === 'number' && Math.abs(exp * 1000) <= MAX_TIME_MS
    ? new Date(exp * 1000).toISOString()
    : undefined
}
