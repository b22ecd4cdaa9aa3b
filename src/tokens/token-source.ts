import type { SidecarError } from '../errors.ts'
import type { TokenRequestTrace } from '../observe/tracer.ts'
import type { AccessToken } from './access-token.ts'
import type { ScopeComparison } from './scopes.ts'
import type { TokenClaims } from './token-claims.ts'

/**
 * One token request, without cache and back-off. `trace` is that of the first request that waits for it, if
 * tracing is enabled. Only a store that a fleet shares considers the demand.
 */
export type TokenRequest = (trace?: TokenRequestTrace, demand?: TokenDemand) => Promise<AccessToken>

/** Why a token is wanted; `current` is the one in use. */
export type TokenDemand =
  | { readonly reason: 'missing' | 'forced' }
  /** It expires soon. */
  | { readonly reason: 'renewal'; readonly current: AccessToken }
  /** An API did not accept it. `current` itself is the result if it is too early to replace it. */
  | { readonly reason: 'rejected'; readonly current: AccessToken }

/** Provides usable tokens. */
export type TokenSource = {
  /** The cached token, if it is usable. Never waits. */
  readonly current: () => AccessToken | undefined
  /**
   * Waits for a token until `signal` aborts. Fails fast with `token_*` during the back-off after a failure, and if
   * too many requests are waiting.
   */
  readonly get: (signal: AbortSignal, trace?: TokenRequestTrace) => Promise<AccessToken>
  /**
   * A token other than `rejected`, which an API did not accept: the cached one, or one that is requested
   * now. Undefined during the back-off, and if the last replacement was only moments ago.
   */
  readonly replace: (
    rejected: AccessToken,
    signal: AbortSignal,
    trace?: TokenRequestTrace,
  ) => Promise<AccessToken> | undefined
  /** Requests a token in advance; `state` has the result. */
  readonly prepare: () => void
  /**
   * Requests a new token even if the cached one is usable. Fails fast with the last failure during the back-off
   * after it.
   */
  readonly renew: () => Promise<AccessToken>
  readonly state: () => TokenState
  /** Stops the renewal. */
  readonly close: () => void
}

/** The state of a source, for status and metrics. Times are milliseconds since 1970. */
export type TokenState = {
  /** Of the last token, if it is a JWT. */
  readonly claims: TokenClaims | undefined
  readonly usable: boolean
  readonly obtainedAtMs: number | undefined
  readonly expiresAtMs: number | undefined
  readonly lifetimeMs: number | undefined
  readonly requesting: boolean
  readonly waiting: number
  /** Of the last token. */
  readonly scopes: ScopeComparison | undefined
  /** The last failure, unless a request has succeeded since. */
  readonly failure: { readonly error: SidecarError; readonly nextAttemptAtMs: number } | undefined
}
