import { SidecarError, FAILURE_CODES, type FailureCode } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { createSecret } from '../lib/secret.ts'
import { type AccessToken, createAccessToken } from './access-token.ts'
import type { DpopKey } from './dpop.ts'
import { knownOAuthError } from './oauth-error.ts'

/*
 * What the entries of the token store contain. Another version or a faulty program may have written them, so
 * anything unexpected counts as absent.
 */

export function tokenToText(token: AccessToken): string {
  return JSON.stringify({
    token: token.value.reveal(),
    dpop: token.dpop !== undefined,
    scope: token.scope,
    requestedScopes: token.requestedScopes,
    requestedAtMs: token.obtainedAt.wallMs,
    lifetimeMs: token.lifetimeMs,
  })
}

export type ReadingReplica = {
  /** The key of this replica: with another key, the entry has another name. */
  readonly dpop: DpopKey | undefined
  /** How long the store keeps the entry. */
  readonly remainingMs: number
  readonly clock: Clock
}

/**
 * Differences between clocks that are tolerated. Beyond it an entry is ignored, because its expiry means
 * nothing here.
 */
const MAX_CLOCK_SKEW_MS = 30_000

/**
 * The token of an entry, with its expiry on the clocks of this replica. The time that the store still keeps
 * the entry limits the lifetime, because that does not depend on the clock of the replica that wrote it.
 */
export function tokenFromText(
  text: string,
  { dpop, remainingMs, clock }: ReadingReplica,
): AccessToken | undefined {
  const entry = parseObject(text)
  const { token, scope, requestedScopes, requestedAtMs, lifetimeMs } = entry
  const isBound = entry['dpop'] === true
  if (
    typeof token !== 'string' ||
    typeof requestedAtMs !== 'number' ||
    typeof lifetimeMs !== 'number' ||
    !(scope === undefined || typeof scope === 'string') ||
    !(requestedScopes === undefined || isListOfTexts(requestedScopes)) ||
    (isBound && dpop === undefined)
  ) {
    return undefined
  }
  const elapsedMs = clock.wallMs() - requestedAtMs
  if (elapsedMs < -MAX_CLOCK_SKEW_MS) return undefined
  const ageMs = Math.max(elapsedMs, lifetimeMs - remainingMs, 0)
  return createAccessToken({
    value: createSecret(token),
    dpop: isBound ? dpop : undefined,
    scope,
    ...(requestedScopes !== undefined && { requestedScopes }),
    isShared: true,
    lifetimeMs,
    requestedAt: {
      monotonicMs: clock.monotonicMs() - ageMs,
      wallMs: clock.wallMs() - ageMs,
    },
  })
}

/** Its message names neither a secret nor a token; it is encrypted with the entry all the same. */
export function failureToText({ code, message, oauthError, advice }: SidecarError): string {
  return JSON.stringify({ code, message, oauthError, advice })
}

export function failureFromText(text: string, backoffMs: number): SidecarError | undefined {
  const { code, message, oauthError, advice } = parseObject(text)
  if (!isFailureCode(code) || typeof message !== 'string') return undefined
  const known = knownOAuthError(oauthError)
  return new SidecarError(code, message, {
    retryAfterMs: backoffMs,
    backoffMs,
    ...(known !== undefined && { oauthError: known }),
    ...(typeof advice === 'string' && { advice }),
  })
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isFailureCode(value: unknown): value is FailureCode {
  return FAILURE_CODES.some((code) => code === value)
}
