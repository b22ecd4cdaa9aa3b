import { SidecarError, toSidecarError } from '../errors.ts'
import { abortable } from '../lib/abortable.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/logger.ts'
import type { TokenRequestMetrics } from '../observe/token-request-metrics.ts'
import type { TokenRequestTrace } from '../observe/tracer.ts'
import { type AccessToken, isUsable } from './access-token.ts'
import { mayBeClientAuthentication } from './oauth-error.ts'
import { type RefreshPolicy, renewAfterMs, retryDelayMs } from './renewal.ts'
import { compareScopes } from './scopes.ts'
import { readTokenClaims, type TokenClaims } from './token-claims.ts'
import type { TokenRequest, TokenSource, TokenState } from './token-source.ts'

export type KeptTokenOptions = {
  readonly refresh: RefreshPolicy
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Bound to the credential. */
  readonly log: Logger
  readonly metrics: Pick<TokenRequestMetrics, 'obtained' | 'refused'>
  /** Changes when the client's secret, key or assertion does: then a refusal is worth another try. */
  readonly readFingerprint: () => Promise<string>
}

type Failure = {
  readonly error: SidecarError
  readonly count: number
  readonly retryAtMs: number
}

/** More than this many requests at once wait for no token: memory is worth more than their hope. */
const MAX_WAITING = 10_000
/** An API that refuses tokens gets a new one no more often than this. */
const REPLACE_INTERVAL_MS = 10_000
/** How often a refused secret is looked at, in case somebody has put it right. */
const FINGERPRINT_INTERVAL_MS = 2_000

/**
 * Remembers the token of `request`: one exchange at a time however many wait for it, renewed in the
 * background before it expires as long as somebody uses it, and never given out expired. After a
 * failure the server is left alone for a while, whoever asks.
 */
export function createKeptToken(request: TokenRequest, options: KeptTokenOptions): TokenSource {
  const { refresh, clock, random, log, metrics, readFingerprint } = options
  let token: AccessToken | undefined
  // Read once for each token: every probe and scrape asks for the state.
  let claims: TokenClaims | undefined
  let renewAtMs = 0
  let failure: Failure | undefined
  let pending: Promise<AccessToken> | undefined
  let waiting = 0
  let replacedAtMs = -Infinity
  // Whether anybody asked since the last token came: an idle token is not renewed.
  let wanted = false
  // Whether an API refused the last token, which is why there is none.
  let isReplacing = false
  let closed = false
  // What the log says about the scopes, so that it says it once.
  let reportedScopes = ''
  let cancelTimer: (() => void) | undefined
  let cancelWatch: (() => void) | undefined

  return { current, get, replace, prepare, renew, state, close }

  function current(): AccessToken | undefined {
    if (token === undefined || !isUsable(token, clock)) return undefined
    wanted = true
    // The timer found the token idle, and now it is not.
    if (clock.monotonicMs() >= renewAtMs && !isBackingOff(failure)) renewInBackground()
    return token
  }

  async function get(signal: AbortSignal, trace?: TokenRequestTrace): Promise<AccessToken> {
    wanted = true
    if (token !== undefined && isUsable(token, clock)) return token
    if (pending === undefined && isBackingOff(failure)) throw failFast(failure)
    return await wait(signal, trace)
  }

  function replace(
    refused: AccessToken,
    signal: AbortSignal,
    trace?: TokenRequestTrace,
  ): Promise<AccessToken> | undefined {
    if (token !== undefined && token !== refused) return get(signal, trace)
    if (pending === undefined) {
      if (clock.monotonicMs() < replacedAtMs + REPLACE_INTERVAL_MS || isBackingOff(failure)) {
        return undefined
      }
      replacedAtMs = clock.monotonicMs()
      isReplacing = true
      metrics.refused()
      log.warn({ reason: 'an API refused the token' }, 'token dropped')
    }
    token = undefined
    claims = undefined
    wanted = true
    return wait(signal, trace)
  }

  function prepare(): void {
    wanted = true
    if (!isBackingOff(failure)) renewInBackground()
  }

  async function renew(): Promise<AccessToken> {
    if (pending === undefined && isBackingOff(failure)) throw failFast(failure)
    return await requestToken()
  }

  async function requestToken(trace?: TokenRequestTrace): Promise<AccessToken> {
    pending ??= attempt(trace).finally(() => {
      pending = undefined
    })
    return await pending
  }

  async function attempt(trace?: TokenRequestTrace): Promise<AccessToken> {
    // A file that can't be read is no other secret; the request itself says what is wrong with it.
    const used = readFingerprint().catch(() => '')
    try {
      return succeed(await request(trace))
    } catch (cause) {
      throw fail(cause, used)
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
    closed = true
    cancelTimer?.()
    cancelWatch?.()
  }

  async function wait(signal: AbortSignal, trace?: TokenRequestTrace): Promise<AccessToken> {
    if (waiting >= MAX_WAITING) {
      throw new SidecarError('token_unavailable', 'Cannot wait for a token: too many requests do', {
        retryAfterMs: 1_000,
      })
    }
    waiting += 1
    try {
      return await abortable(requestToken(trace), signal)
    } finally {
      waiting -= 1
    }
  }

  function renewInBackground(): void {
    if (closed || pending !== undefined) return
    // fail() has logged it and planned the next attempt; nobody waits for this one.
    requestToken().catch(() => {})
  }

  function succeed(obtained: AccessToken): AccessToken {
    if (!isUsable(obtained, clock)) {
      throw new SidecarError('token_invalid', 'Cannot use the token: it had expired when it came')
    }
    const hadToken = token !== undefined && isUsable(token, clock)
    const reason = isReplacing ? 'replaced' : hadToken ? 'renewed' : 'issued'
    isReplacing = false
    metrics.obtained(reason)
    const afterMs = renewAfterMs(obtained.lifetimeMs, refresh, random())
    token = obtained
    claims = readTokenClaims(obtained)
    renewAtMs = obtained.obtainedAt.monotonicMs + afterMs
    failure = undefined
    cancelWatch?.()
    planAt(renewAtMs)
    log.info(
      { reason, lifetimeSeconds: seconds(obtained.lifetimeMs), renewInSeconds: seconds(afterMs) },
      'token obtained',
    )
    reportScopes(obtained)
    // Those who wait for it are its first users.
    wanted = waiting > 0
    return obtained
  }

  /** Warns once of each change. The scopes that are logged are those of the configuration. */
  function reportScopes({ requestedScopes = [], scope }: AccessToken): void {
    const { missing, unreported } = compareScopes(requestedScopes, scope)
    const found = unreported ? 'unreported' : missing.join(' ')
    if (found === reportedScopes) return
    reportedScopes = found
    if (unreported) {
      log.warn({ requestedScopes }, 'the authorization server does not tell the granted scopes')
    } else if (missing.length > 0) {
      log.warn({ missingScopes: missing }, 'fewer scopes granted than requested')
    } else {
      log.info({}, 'all requested scopes granted')
    }
  }

  /** Plans the next attempt; `used` tells the secret of this one. */
  function fail(cause: unknown, used: Promise<string>): SidecarError {
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
    if (isAboutTheClient(error)) watchFingerprint(failure, used)
    return failFast(failure)
  }

  function planAt(atMs: number): void {
    cancelTimer?.()
    if (closed) return
    // The timer is believed even if it fires a hair early: nobody would ask again.
    cancelTimer = clock.schedule(atMs - clock.monotonicMs(), () => {
      if (wanted) renewInBackground()
    })
  }

  /** Ends a long pause as soon as the secret that was refused is another. */
  function watchFingerprint(during: Failure, used: Promise<string>): void {
    cancelWatch?.()
    if (closed) return
    cancelWatch = clock.schedule(FINGERPRINT_INTERVAL_MS, () => {
      const look = Promise.all([used, readFingerprint().catch(async () => await used)])
      void look.then(([refused, found]) => {
        if (failure !== during || closed) return
        if (found === refused) watchFingerprint(during, used)
        else renewInBackground()
      })
    })
  }

  function isBackingOff(last: Failure | undefined): last is Failure {
    return last !== undefined && clock.monotonicMs() < last.retryAtMs
  }

  /** The last failure, with the time to the next attempt. */
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

/** Whether another secret, key or assertion might be accepted where this one was not. */
function isAboutTheClient({ code, oauthError }: SidecarError): boolean {
  return code === 'token_rejected' && mayBeClientAuthentication(oauthError)
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
