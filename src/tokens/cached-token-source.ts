import { SidecarError, toSidecarError } from '../errors.ts'
import { abortable } from '../lib/abortable.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/logger.ts'
import type { TokenRequestMetrics } from '../observe/token-request-metrics.ts'
import type { TokenRequestTrace } from '../observe/tracer.ts'
import { type AccessToken, isUsable } from './access-token.ts'
import { mayBeClientAuthentication } from './oauth-error.ts'
import { type RefreshPolicy, renewAfterMs, retryDelayMs } from './renewal.ts'
import { createScopeLog } from './scope-log.ts'
import { compareScopes } from './scopes.ts'
import { readTokenClaims, type TokenClaims } from './token-claims.ts'
import type { TokenDemand, TokenRequest, TokenSource, TokenState } from './token-source.ts'

export type CachedTokenSourceOptions = {
  readonly refresh: RefreshPolicy
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Bound to the credential. */
  readonly log: Logger
  readonly metrics: Pick<TokenRequestMetrics, 'obtained' | 'refused'>
  /** Changes with the client's secret, key or assertion: then a rejected request is worth a retry. */
  readonly readFingerprint: () => Promise<string>
}

type Failure = {
  readonly error: SidecarError
  readonly count: number
  readonly retryAtMs: number
}

/** Limits the memory that waiting requests use while the authorization server is slow. */
const MAX_WAITING = 10_000
/** The minimum time between two tokens that replace a rejected one. */
const REPLACE_INTERVAL_MS = 10_000
/** The same after the fleet has refused to replace a token, because it has just replaced one. */
const REPLACE_RETRY_MS = 1_000
/** How often the secret is read again while the server rejects it. */
const FINGERPRINT_INTERVAL_MS = 2_000

/**
 * Caches the token of `request`. Concurrent callers share one request, a token in use is renewed in the
 * background before it expires, and an expired token is never returned. After a failure, callers fail fast
 * until the back-off is over.
 */
export function createCachedTokenSource(
  request: TokenRequest,
  options: CachedTokenSourceOptions,
): TokenSource {
  const { refresh, clock, random, log, metrics, readFingerprint } = options
  const logScopes = createScopeLog(log)
  let token: AccessToken | undefined
  // Decoded once per token, because every probe and scrape reads the state.
  let claims: TokenClaims | undefined
  let renewAtMs = 0
  let failure: Failure | undefined
  let pending: Promise<AccessToken> | undefined
  let waiting = 0
  let replacedAtMs = -Infinity
  // Whether the token was used since it was obtained: an idle token is not renewed.
  let isUsed = false
  /** The token that an API has rejected, until there is another. */
  let rejectedToken: AccessToken | undefined
  let isClosed = false
  let cancelTimer: (() => void) | undefined
  let cancelWatch: (() => void) | undefined

  return { current, get, replace, prepare, renew, state, close }

  function current(): AccessToken | undefined {
    if (token === undefined || !isUsable(token, clock)) return undefined
    isUsed = true
    // The timer did not renew the token if it was idle then.
    if (clock.monotonicMs() >= renewAtMs && !isBackingOff(failure)) renewInBackground()
    return token
  }

  async function get(signal: AbortSignal, trace?: TokenRequestTrace): Promise<AccessToken> {
    isUsed = true
    if (token !== undefined && isUsable(token, clock)) return token
    if (pending === undefined && isBackingOff(failure)) throw failFast(failure)
    return await wait(signal, trace)
  }

  function replace(
    rejected: AccessToken,
    signal: AbortSignal,
    trace?: TokenRequestTrace,
  ): Promise<AccessToken> | undefined {
    if (token !== undefined && token !== rejected) return get(signal, trace)
    if (pending === undefined) {
      if (clock.monotonicMs() < replacedAtMs + REPLACE_INTERVAL_MS || isBackingOff(failure)) {
        return undefined
      }
      replacedAtMs = clock.monotonicMs()
      rejectedToken = rejected
      metrics.refused()
      log.warn({ reason: 'an API rejected the token' }, 'token dropped')
    }
    token = undefined
    claims = undefined
    isUsed = true
    return wait(signal, trace)
  }

  function prepare(): void {
    isUsed = true
    if (!isBackingOff(failure)) renewInBackground()
  }

  async function renew(): Promise<AccessToken> {
    if (pending === undefined && isBackingOff(failure)) throw failFast(failure)
    return await requestToken(undefined, true)
  }

  async function requestToken(trace?: TokenRequestTrace, isForced = false): Promise<AccessToken> {
    pending ??= attempt(isForced ? { reason: 'forced' } : demand(), trace).finally(() => {
      pending = undefined
    })
    return await pending
  }

  function demand(): TokenDemand {
    if (rejectedToken !== undefined) return { reason: 'rejected', current: rejectedToken }
    return token !== undefined && isUsable(token, clock)
      ? { reason: 'renewal', current: token }
      : { reason: 'missing' }
  }

  async function attempt(wanted: TokenDemand, trace?: TokenRequestTrace): Promise<AccessToken> {
    // If it cannot be read, the request fails for the same reason and reports it.
    const fingerprint = readFingerprint().catch(() => '')
    try {
      const obtained = await request(trace, wanted)
      return obtained === rejectedToken ? restore(obtained) : succeed(obtained)
    } catch (cause) {
      throw fail(cause, fingerprint)
    }
  }

  function state(): TokenState {
    return {
      claims,
      usable: token !== undefined && isUsable(token, clock),
      obtainedAtMs: token?.obtainedAt.wallMs,
      expiresAtMs: token && token.obtainedAt.wallMs + token.lifetimeMs,
      lifetimeMs: token?.lifetimeMs,
      requesting: pending !== undefined,
      waiting,
      scopes: token && compareScopes(token.requestedScopes ?? [], token.scope),
      failure: failure && {
        error: failure.error,
        nextAttemptAtMs: clock.wallMs() + failure.retryAtMs - clock.monotonicMs(),
      },
    }
  }

  function close(): void {
    isClosed = true
    cancelTimer?.()
    cancelWatch?.()
  }

  async function wait(signal: AbortSignal, trace?: TokenRequestTrace): Promise<AccessToken> {
    if (waiting >= MAX_WAITING) {
      throw new SidecarError(
        'token_unavailable',
        'Cannot wait for a token: too many requests are waiting',
        { retryAfterMs: 1_000 },
      )
    }
    waiting += 1
    try {
      return await abortable(requestToken(trace), signal)
    } finally {
      waiting -= 1
    }
  }

  function renewInBackground(): void {
    if (isClosed || pending !== undefined) return
    // fail() logs the failure and schedules the next attempt.
    requestToken().catch(() => {})
  }

  function succeed(obtained: AccessToken): AccessToken {
    if (!isUsable(obtained, clock)) {
      throw new SidecarError(
        'token_invalid',
        'Cannot use the token: it had expired when it was received',
      )
    }
    const hadToken = token !== undefined && isUsable(token, clock)
    const reason = reasonOf(obtained, hadToken)
    rejectedToken = undefined
    metrics.obtained(reason)
    const afterMs = renewAfterMs(obtained.lifetimeMs, refresh, random())
    token = obtained
    claims = readTokenClaims(obtained)
    renewAtMs = obtained.obtainedAt.monotonicMs + afterMs
    failure = undefined
    cancelWatch?.()
    scheduleRequest(renewAtMs)
    log.info(
      { reason, lifetimeSeconds: seconds(obtained.lifetimeMs), renewInSeconds: seconds(afterMs) },
      'token obtained',
    )
    logScopes(obtained)
    // Waiting requests are about to use it.
    isUsed = waiting > 0
    return obtained
  }

  function reasonOf({ isShared }: AccessToken, hadToken: boolean) {
    if (isShared === true) return 'shared'
    if (rejectedToken !== undefined) return 'replaced'
    return hadToken ? 'renewed' : 'issued'
  }

  /** The fleet has just replaced the token before this one, so this one remains in use. */
  function restore(rejected: AccessToken): AccessToken {
    token = rejected
    claims = readTokenClaims(rejected)
    rejectedToken = undefined
    replacedAtMs = clock.monotonicMs() - REPLACE_INTERVAL_MS + REPLACE_RETRY_MS
    return rejected
  }

  /** Schedules the next attempt. `fingerprint` is that of the secret of this one. */
  function fail(cause: unknown, fingerprint: Promise<string>): SidecarError {
    const error = toSidecarError(cause)
    const count = (failure?.count ?? 0) + 1
    const delayMs = retryDelayMs(error, count, random())
    failure = { error, count, retryAtMs: clock.monotonicMs() + delayMs }
    scheduleRequest(failure.retryAtMs)
    const { code, oauthError, message } = error
    log.warn(
      {
        code,
        oauthError,
        reason: message,
        failures: count,
        nextAttemptInSeconds: seconds(delayMs),
      },
      'token request failed',
    )
    if (code === 'token_rejected' && mayBeClientAuthentication(oauthError)) {
      watchFingerprint(failure, fingerprint)
    }
    return failFast(failure)
  }

  function scheduleRequest(atMs: number): void {
    cancelTimer?.()
    if (isClosed) return
    // The time is not checked again: a timer that fires slightly early would otherwise lose the renewal.
    cancelTimer = clock.schedule(atMs - clock.monotonicMs(), () => {
      if (isUsed) renewInBackground()
    })
  }

  /** Retries as soon as the rejected secret, key or assertion has changed. */
  function watchFingerprint(during: Failure, rejected: Promise<string>): void {
    cancelWatch?.()
    if (isClosed) return
    cancelWatch = clock.schedule(FINGERPRINT_INTERVAL_MS, () => {
      const next = readFingerprint().catch(async () => await rejected)
      void Promise.all([rejected, next]).then(([before, after]) => {
        if (failure !== during || isClosed) return
        if (after === before) watchFingerprint(during, rejected)
        else renewInBackground()
      })
    })
  }

  function isBackingOff(last: Failure | undefined): last is Failure {
    return last !== undefined && clock.monotonicMs() < last.retryAtMs
  }

  /** The last failure, with the time until the next attempt. */
  function failFast({ error, retryAtMs }: Failure): SidecarError {
    const { code, message, oauthError, advice, serverText } = error
    return new SidecarError(code, message, {
      cause: error,
      retryAfterMs: Math.max(0, retryAtMs - clock.monotonicMs()),
      ...(oauthError !== undefined && { oauthError }),
      ...(advice !== undefined && { advice }),
      ...(serverText !== undefined && { serverText }),
    })
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
