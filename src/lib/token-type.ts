/**
 * Types whose tokens are not bearer tokens: the client has to prove that it holds a key (RFC 9449, RFC 9200,
 * and the drafts of "mac" and "hmac"), or they are not access tokens at all (RFC 8693 section 2.2.1).
 */
const NOT_BEARER: ReadonlySet<string> = new Set(['dpop', 'hmac', 'mac', 'n_a', 'pop'])

/** Whether a vendor-specific `token_type` may stand for bearer tokens (RFC 6749 section 7.1). */
export function mayMeanBearer(tokenType: string): boolean {
  return !NOT_BEARER.has(tokenType.toLowerCase())
}
