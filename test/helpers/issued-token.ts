import { createSecret } from '../../src/lib/secret.ts'
import { type AccessToken, createAccessToken, type Moment } from '../../src/tokens/access-token.ts'

/** A Bearer token, as an exchange that began at `requestedAt` would return it. */
export function issued(value: string, requestedAt: Moment, lifetimeMs: number): AccessToken {
  return createAccessToken({
    value: createSecret(value),
    dpop: undefined,
    scope: undefined,
    requestedAt,
    lifetimeMs,
  })
}
