import type { SidecarError } from '../errors.ts'
import { type Backoff, backoffMs } from '../lib/backoff.ts'

export type RefreshPolicy = { readonly leewayMs: number; readonly jitterMs: number }

/**
 * When to replace a token, in milliseconds after it was asked for: `leewayMs` before its end but not
 * before half of its life, and up to `jitterMs` earlier so that many sidecars do not ask at once.
 */
export function renewAfterMs(lifetimeMs: number, refresh: RefreshPolicy, random: number): number {
  const leadMs = Math.min(refresh.leewayMs, lifetimeMs / 2)
  const jitterMs = Math.min(refresh.jitterMs, lifetimeMs / 10)
  return lifetimeMs - leadMs - random * jitterMs
}

const BACKOFF: Backoff = { baseMs: 500, maxMs: 30_000 }
/** A refusal does not heal by itself: somebody has to change a secret or a registration. */
const REFUSED_MS = 60_000
/** A server that asks for more is asked again all the same. */
const LONGEST_RETRY_AFTER_MS = 600_000

/** How long to leave the authorization server alone after `failures` failures in a row. */
export function retryDelayMs(error: SidecarError, failures: number, random: number): number {
  if (error.code === 'token_rejected') return REFUSED_MS
  const askedMs = Math.min(error.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS)
  return Math.max(askedMs, backoffMs(BACKOFF, failures, random))
}
