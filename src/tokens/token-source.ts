import type { SidecarError } from '../errors.ts'
import type { AccessToken } from './access-token.ts'

/** One exchange with an authorization server. Remembers nothing, retries nothing. */
export type TokenRequest = () => Promise<AccessToken>

/** Gives a usable token, or fails with a reason. */
export type TokenSource = {
  /** The token in hand, if there is one and it is good. Never waits. */
  current(): AccessToken | undefined
  /**
   * Waits for a token until `signal` aborts. Fails at once with `token_*` while the authorization
   * server is being left alone after a failure.
   */
  get(signal: AbortSignal): Promise<AccessToken>
  /** Asks for a token ahead of need; what comes of it shows in `state`. */
  prepare(): void
  readonly state: () => TokenState
  /** Stops renewing. */
  close(): void
}

/** What an observer may know of a source. Times are milliseconds since 1970. */
export type TokenState = {
  readonly usable: boolean
  readonly obtainedAtMs: number | undefined
  readonly expiresAtMs: number | undefined
  readonly lifetimeMs: number | undefined
  readonly requesting: boolean
  /** Why the last attempt failed, unless one has succeeded since. */
  readonly failure: { readonly error: SidecarError; readonly nextAttemptAtMs: number } | undefined
}
