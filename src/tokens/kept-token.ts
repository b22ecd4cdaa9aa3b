import type { Logger } from '../observe/logger.ts'
import { SidecarError, toSidecarError } from '../errors.ts'
import { abortable } from '../lib/abortable.ts'
import type { Clock } from '../lib/clock.ts'
import { type AccessToken, isUsable } from './access-token.ts'
import { type RefreshPolicy, renewAfterMs, retryDelayMs } from './renewal.ts'
import type { TokenRequest, TokenSource } from './token-source.ts'

export type KeptTokenOptions = {
  readonly refresh: RefreshPolicy
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Bound to the credential. */
  readonly log: Logger
}

type Failure = { readonly error: SidecarError; readonly count: number; readonly retryAtMs: number }

/**
 * Remembers the token of `request`: one exchange at a time however many wait for it, renewed in the
 * background before it expires as long as somebody uses it, and never given out expired. After a
 * failure the server is left alone for a while, whoever asks.
 */
export function createKeptToken(request: TokenRequest, options: KeptTokenOptions): TokenSource {
  const { refresh, clock, random, log } = options
  let token: AccessToken | undefined
  let renewAtMs = 0
  let failure: Failure | undefined
  let pending: Promise<AccessToken> | undefined
  // Whether anybody asked since the last token came: an idle token is not renewed.
  let wanted = false
  let closed = false
  let cancelTimer: (() => void) | undefined

  return {
    current() {
      if (token === undefined || !isUsable(token, clock)) return undefined
      wanted = true
      // The timer found the token idle, and now it is not.
      if (clock.monotonicMs() >= renewAtMs && !isBackingOff(failure)) renewInBackground()
      return token
    },

    async get(signal) {
      wanted = true
      if (token !== undefined && isUsable(token, clock)) return token
      if (pending === undefined && isBackingOff(failure)) throw failFast(failure)
      return await abortable(renew(), signal)
    },

    prepare() {
      wanted = true
      if (!isBackingOff(failure)) renewInBackground()
    },

    state: () => ({
      usable: token !== undefined && isUsable(token, clock),
      obtainedAtMs: token?.obtainedAt.wallMs,
      expiresAtMs: token && token.obtainedAt.wallMs + token.lifetimeMs,
      lifetimeMs: token?.lifetimeMs,
      requesting: pending !== undefined,
      failure: failure && {
        error: failure.error,
        nextAttemptAtMs: clock.wallMs() + failure.retryAtMs - clock.monotonicMs(),
      },
    }),

    close() {
      closed = true
      cancelTimer?.()
    },
  }

  async function renew(): Promise<AccessToken> {
    pending ??= request()
      .then(succeed)
      .catch(fail)
      .finally(() => {
        pending = undefined
      })
    return await pending
  }

  function renewInBackground(): void {
    if (closed || pending !== undefined) return
    // fail() has logged it and planned the next attempt; nobody waits for this one.
    renew().catch(() => {})
  }

  function succeed(obtained: AccessToken): AccessToken {
    if (!isUsable(obtained, clock)) {
      throw new SidecarError('token_invalid', 'Cannot use the token: it had expired when it came')
    }
    const afterMs = renewAfterMs(obtained.lifetimeMs, refresh, random())
    token = obtained
    renewAtMs = obtained.obtainedAt.monotonicMs + afterMs
    failure = undefined
    wanted = false
    planAt(renewAtMs)
    log.info(
      { lifetimeSeconds: obtained.lifetimeMs / 1000, renewInSeconds: seconds(afterMs) },
      'token obtained',
    )
    return obtained
  }

  function fail(cause: unknown): never {
    const error = toSidecarError(cause)
    const count = (failure?.count ?? 0) + 1
    const delayMs = retryDelayMs(error, count, random())
    failure = { error, count, retryAtMs: clock.monotonicMs() + delayMs }
    planAt(failure.retryAtMs)
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
    throw failFast(failure)
  }

  function planAt(atMs: number): void {
    cancelTimer?.()
    if (closed) return
    // The timer is believed even if it fires a hair early: nobody would ask again.
    cancelTimer = clock.schedule(atMs - clock.monotonicMs(), () => {
      if (wanted) renewInBackground()
    })
  }

  function isBackingOff(last: Failure | undefined): last is Failure {
    return last !== undefined && clock.monotonicMs() < last.retryAtMs
  }

  /** The last failure, with the time to the next attempt. */
  function failFast({ error, retryAtMs }: Failure): SidecarError {
    const { code, message, oauthError } = error
    return new SidecarError(code, message, {
      cause: error,
      retryAfterMs: Math.max(0, retryAtMs - clock.monotonicMs()),
      ...(oauthError !== undefined && { oauthError }),
    })
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
