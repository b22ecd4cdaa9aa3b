import type { Clock } from '../lib/clock.ts'

/** A credential is renewed on request no more often than this. */
const MIN_INTERVAL_MS = 10_000

/**
 * Limits the token requests that `POST /credentials/NAME/renew` causes: authorization servers lock out clients
 * that request too many tokens. The returned function takes the name of a credential, and tells how long to
 * wait, in milliseconds; 0 permits a renewal and begins the next interval.
 */
export function createRenewalLimit(clock: Clock): (credential: string) => number {
  const lastMs = new Map<string, number>()
  return (credential) => {
    const nowMs = clock.monotonicMs()
    const waitMs = (lastMs.get(credential) ?? -Infinity) + MIN_INTERVAL_MS - nowMs
    if (waitMs > 0) return waitMs
    lastMs.set(credential, nowMs)
    return 0
  }
}
