import type { Clock } from '../lib/clock.ts'
import type { Secret } from '../lib/secret.ts'
import type { DpopKey } from './dpop.ts'
import { jwtClaims } from './jwt-claims.ts'
import { grantedScopesOf } from './token-response.ts'

/** One point in time on both clocks: what must not be late is past as soon as either says so. */
export type Moment = { readonly monotonicMs: number; readonly wallMs: number }

export type AccessToken = {
  readonly value: Secret
  /** The key that it is bound to, where it is of the type DPoP and not Bearer. */
  readonly dpop: DpopKey | undefined
  /**
   * The granted scopes, separated by spaces, as the token response tells them (RFC 6749 section 5.1), else as
   * the token itself does (RFC 9068 section 2.2.3); undefined where neither does.
   */
  readonly scope: string | undefined
  readonly requestedScopes?: readonly string[]
  readonly obtainedAt: Moment
  /** Counted from when it was asked for. */
  readonly lifetimeMs: number
  /** The end of its life, less the time that a request needs to arrive. */
  readonly usableUntil: Moment
}

export function now(clock: Clock): Moment {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }
}

/**
 * The monotonic clock stands still while the machine sleeps and the wall clock can be set, so
 * neither alone can tell that a token is still good.
 */
export function isUsable({ usableUntil }: AccessToken, clock: Clock): boolean {
  return clock.monotonicMs() < usableUntil.monotonicMs && clock.wallMs() < usableUntil.wallMs
}

export type IssuedToken = Pick<
  AccessToken,
  'value' | 'dpop' | 'scope' | 'requestedScopes' | 'lifetimeMs'
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

/** A token that is sent just before it expires arrives just after. */
function travelAllowanceMs(lifetimeMs: number): number {
  return Math.min(2_000, lifetimeMs / 10)
}

export type LifetimeHints = {
  /** `expires_in` of the token response (RFC 6749 section 5.1), in seconds. */
  readonly expiresInSeconds: number | undefined
  /** The token, which may be a JWT (RFC 9068) and then says itself when it expires. */
  readonly token: string
  readonly requestedAtWallMs: number
  readonly defaultLifetimeMs: number
}

/** How long a token lives, in milliseconds from when it was asked for: the shortest of what is said. */
export function lifetimeOf(hints: LifetimeHints): number {
  const { expiresInSeconds, token, requestedAtWallMs, defaultLifetimeMs } = hints
  const said: number[] = []
  // Zero is what some servers say for "not told"; read literally, no token could ever be used.
  if (expiresInSeconds !== undefined && expiresInSeconds > 0) said.push(expiresInSeconds * 1000)
  const { exp, iat } = jwtClaims(token) ?? {}
  if (typeof exp === 'number') {
    const untilExpMs = exp * 1000 - requestedAtWallMs
    // Nobody issues an expired token, so then the two clocks differ. Both times are rounded down.
    if (untilExpMs > 0) said.push(untilExpMs)
    else if (typeof iat === 'number' && exp > iat + 1) said.push((exp - iat - 1) * 1000)
  }
  return Math.min(LONGEST_MS, ...(said.length === 0 ? [defaultLifetimeMs] : said))
}

/** Longer lives than a year are mistakes: milliseconds taken for seconds, or a fantasy. */
const LONGEST_MS = 365 * 86_400_000

/** The scopes that a token which is a JWT names: `scope` (RFC 9068), or `scp` as several products call it. */
export function scopesOfJwt(token: string): readonly string[] | undefined {
  const { scope, scp } = jwtClaims(token) ?? {}
  return grantedScopesOf({ scope: scope ?? scp })
}
