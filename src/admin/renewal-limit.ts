import type { Clock } from '../lib/clock.ts'

/** The shortest time between two renewals of a credential on request. */
const MIN_INTERVAL_MS = 10_000

/**
 * Limits the token requests by `POST /credentials/NAME/renew`, because authorization servers lock out clients
 * that request too many tokens. The returned function takes the name of a credential and returns how long to
 * wait, in milliseconds; 0 permits a renewal and starts the next interval.
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
