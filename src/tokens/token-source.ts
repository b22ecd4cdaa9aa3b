import type { SidecarError } from '../errors.ts'
import type { TokenRequestTrace } from '../observe/tracer.ts'
import type { AccessToken } from './access-token.ts'
import type { ScopeComparison } from './scopes.ts'
import type { TokenClaims } from './token-claims.ts'

/**
 * One exchange with an authorization server. Remembers nothing, retries nothing. `trace` is that of
 * whoever waits for it, where somebody does and tracing is on.
 */
export type TokenRequest = (trace?: TokenRequestTrace) => Promise<AccessToken>

/** Gives a usable token, or fails with a reason. */
export type TokenSource = {
  /** The token in hand, if there is one and it is good. Never waits. */
  readonly current: () => AccessToken | undefined
  /**
   * Waits for a token until `signal` aborts. Fails at once with `token_*` while the authorization
   * server is being left alone after a failure, or when too many wait already.
   */
  readonly get: (signal: AbortSignal, trace?: TokenRequestTrace) => Promise<AccessToken>
  /**
   * A token other than `refused`, which an API did not accept: the current one, or one that is asked
   * for now. Undefined when there will be none soon: the last was replaced moments ago, so that
   * asking again would not help.
   */
  readonly replace: (
    refused: AccessToken,
    signal: AbortSignal,
    trace?: TokenRequestTrace,
  ) => Promise<AccessToken> | undefined
  /** Asks for a token ahead of need; what comes of it shows in `state`. */
  readonly prepare: () => void
  /**
   * Asks for a new token even if the current one is still good. Fails at once with the last failure while
   * the authorization server is being left alone after it.
   */
  readonly renew: () => Promise<AccessToken>
  readonly state: () => TokenState
  /** Stops renewing. */
  readonly close: () => void
}

/** What an observer may know of a source. Times are milliseconds since 1970. */
export type TokenState = {
  /** What the last token says about itself, where it is a JWT. */
  readonly claims: TokenClaims | undefined
  readonly usable: boolean
  readonly obtainedAtMs: number | undefined
  readonly expiresAtMs: number | undefined
  readonly lifetimeMs: number | undefined
  readonly requesting: boolean
  readonly waiting: number
  /** Of the last token; undefined while there is none. */
  readonly scopes: ScopeComparison | undefined
  /** Why the last attempt failed, unless one has succeeded since. */
  readonly failure: { readonly error: SidecarError; readonly nextAttemptAtMs: number } | undefined
}
