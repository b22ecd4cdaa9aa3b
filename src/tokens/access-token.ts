import type { Clock } from '../lib/clock.ts'
import type { Secret } from '../lib/secret.ts'
import type { DpopKey } from './dpop.ts'
import { jwtClaims } from './jwt-claims.ts'
import { grantedScopesOf } from './token-response.ts'

/** One point in time on both clocks. A deadline has passed as soon as it has on either. */
export type Moment = { readonly monotonicMs: number; readonly wallMs: number }

export type AccessToken = {
  readonly value: Secret
  /** The key that a DPoP token is bound to; undefined for a bearer token. */
  readonly dpop: DpopKey | undefined
  /**
   * The granted scopes, separated by spaces: those of the token response (RFC 6749 section 5.1), else those of the
   * token itself (RFC 9068 section 2.2.3); undefined if neither has any.
   */
  readonly scope: string | undefined
  readonly requestedScopes?: readonly string[]
  /** Whether another sidecar of the fleet has requested it. */
  readonly isShared?: boolean
  readonly obtainedAt: Moment
  /** Counted from the request for it. */
  readonly lifetimeMs: number
  /** When it expires, minus the time that a request needs to arrive. */
  readonly usableUntil: Moment
}

export function now(clock: Clock): Moment {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }
}

/**
 * The monotonic clock may stop while the machine is suspended and the wall clock can be set, so both are
 * checked.
 */
export function isUsable({ usableUntil }: AccessToken, clock: Clock): boolean {
  return clock.monotonicMs() < usableUntil.monotonicMs && clock.wallMs() < usableUntil.wallMs
}

export type IssuedToken = Pick<
  AccessToken,
  'value' | 'dpop' | 'scope' | 'requestedScopes' | 'isShared' | 'lifetimeMs'
> & {
  readonly requestedAt: Moment
}

export function createAccessToken({ requestedAt, ...issued }: IssuedToken): AccessToken {
  const { lifetimeMs } = issued
  const usableMs = lifetimeMs - travelAllowanceMs(lifetimeMs)
  return {
    ...issued,
    obtainedAt: requestedAt,
    usableUntil: {
      monotonicMs: requestedAt.monotonicMs + usableMs,
      wallMs: requestedAt.wallMs + usableMs,
    },
  }
}

/** A token that is sent just before it expires would arrive just after. */
function travelAllowanceMs(lifetimeMs: number): number {
  return Math.min(2_000, lifetimeMs / 10)
}

export type LifetimeHints = {
  /** `expires_in` of the token response (RFC 6749 section 5.1), in seconds. */
  readonly expiresInSeconds: number | undefined
  /** If it is a JWT (RFC 9068), it may have `exp`. */
  readonly token: string
  readonly requestedAtWallMs: number
  readonly defaultLifetimeMs: number
}

/** The lifetime of a token, in milliseconds from the request for it: the shortest that is stated. */
export function lifetimeOf(hints: LifetimeHints): number {
  const { expiresInSeconds, token, requestedAtWallMs, defaultLifetimeMs } = hints
  const statedMs: number[] = []
  // Some servers send zero for an unknown lifetime.
  if (expiresInSeconds !== undefined && expiresInSeconds > 0) statedMs.push(expiresInSeconds * 1000)
  const { exp, iat } = jwtClaims(token) ?? {}
  if (typeof exp === 'number') {
    const untilExpMs = exp * 1000 - requestedAtWallMs
    // No server issues an expired token, so an exp in the past means that the clocks differ. Both claims are rounded down.
    if (untilExpMs > 0) statedMs.push(untilExpMs)
    else if (typeof iat === 'number' && exp > iat + 1) statedMs.push((exp - iat - 1) * 1000)
  }
  return Math.min(MAX_LIFETIME_MS, ...(statedMs.length === 0 ? [defaultLifetimeMs] : statedMs))
}

/** A longer lifetime than a year is a mistake, such as milliseconds sent as seconds. */
const MAX_LIFETIME_MS = 365 * 86_400_000

/** The scopes in a JWT: `scope` (RFC 9068), or `scp` in several products. */
export function scopesOfJwt(token: string): readonly string[] | undefined {
  const { scope, scp } = jwtClaims(token) ?? {}
  return grantedScopesOf({ scope: scope ?? scp })
}
