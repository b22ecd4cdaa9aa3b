import { fieldValues } from '../http/field-lines.ts'

/** What a response says about the token that it was asked with. */
export type TokenVerdict = 'accepted' | 'refused' | 'nonce wanted'

/**
 * A 401 means that the token is not good, unless its challenge says that the token may just not do
 * this (RFC 6750 section 3.1): then another one would not help. A DPoP challenge may only ask for
 * another proof (RFC 9449 section 9). `headers` alternates names and values.
 */
export function tokenVerdict(status: number, headers: readonly string[]): TokenVerdict {
  if (status !== 401) return 'accepted'
  const challenges = fieldValues(headers, 'www-authenticate').join(', ')
  if (hasError(challenges, 'insufficient_scope')) return 'accepted'
  if (hasError(challenges, 'use_dpop_nonce')) return 'nonce wanted'
  return 'refused'
}

function hasError(challenges: string, code: string): boolean {
  return new RegExp(`\\berror\\s*=\\s*"?${code}"?(?:[\\s,]|$)`, 'i').test(challenges)
}
