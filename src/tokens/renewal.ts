import type { SidecarError } from '../errors.ts'
import { type Backoff, backoffMs } from '../lib/backoff.ts'

export type RefreshPolicy = { readonly leewayMs: number; readonly jitterMs: number }

/**
 * When to renew a token, in milliseconds after the request for it: `leewayMs` before it expires but not
 * before half of its lifetime, and up to `jitterMs` earlier to avoid a thundering herd of sidecars.
 */
export function renewAfterMs(lifetimeMs: number, refresh: RefreshPolicy, random: number): number {
  const leadMs = Math.min(refresh.leewayMs, lifetimeMs / 2)
  const jitterMs = Math.min(refresh.jitterMs, lifetimeMs / 10)
  return lifetimeMs - leadMs - random * jitterMs
}

const BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 }
/** A rejection is not temporary: a secret or a registration has to be changed. */
const REJECTED_MS = 60_000
/** A longer `Retry-After` is cut. */
const MAX_RETRY_AFTER_MS = 600_000

/** The time until the next attempt, after `failures` failures in a row. */
export function retryDelayMs(error: SidecarError, failures: number, random: number): number {
  if (error.backoffMs !== undefined) return error.backoffMs
  if (error.code === 'token_rejected') return REJECTED_MS
  const retryAfterMs = Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)
  return Math.max(retryAfterMs, backoffMs(BACKOFF, failures, random))
}

/**
 * How long no sidecar of a fleet should try again: after a rejection, or as long as the server demands. Other
 * failures may concern one replica only: undefined.
 */
export function fleetBackoffMs({ code, retryAfterMs }: SidecarError): number | undefined {
  if (code === 'token_rejected') return REJECTED_MS
  if (code !== 'token_unavailable' || retryAfterMs === undefined || retryAfterMs <= 0) {
    return undefined
  }
  return Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)
}
