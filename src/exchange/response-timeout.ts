import { isArriving } from '../http/request-body.ts'
import type { UpstreamFailure } from '../http/upstream-failure.ts'
import type { Clock } from '../lib/clock.ts'
import { clientStalled } from './client-stalled.ts'
import type { ExchangeRequest, ExchangeRoundTrip } from './exchange-request.ts'
import type { IdleWatch } from './idle-watch.ts'

export type ResponseTimeoutOptions = {
  /** From the end of the request to the head of the response; 0 for no limit. */
  readonly responseMs: number
  /** For a client that does not read interim responses, where `responseMs` is 0. */
  readonly idleMs: number
  readonly fail: UpstreamFailure
  readonly idle: IdleWatch
  readonly clock: Clock
}

/** Measures how long an attempt waits for the head of its response, and ends the exchange if that is too long. */
export function withResponseTimeout(
  { responseMs, idleMs, fail, idle, clock }: ResponseTimeoutOptions,
  next: ExchangeRoundTrip,
): ExchangeRoundTrip {
  return async (request, signal) => {
    const startedAtMs = clock.monotonicMs()
    let waitingSinceMs = startedAtMs
    let isSent = false
    let isRestarted = false
    let isClientBlocking = false
    const check = (): void => {
      const nowMs = clock.monotonicMs()
      if (isArriving(request.body) || isRestarted) waitingSinceMs = nowMs
      isRestarted = false
      const limitMs = isClientBlocking ? responseMs || idleMs : responseMs
      if (limitMs === 0 || nowMs - waitingSinceMs < limitMs) return
      request.abort(
        isClientBlocking
          ? clientStalled('it does not read the response')
          : fail('timeout', isSent ? NO_RESPONSE : NO_CONNECTION),
      )
    }
    // The check reads the clock, because reading it for each request costs more.
    const onSend = (): void => {
      isSent = true
      isRestarted = true
      request.onSend()
    }
    const onInterim: ExchangeRequest['onInterim'] = (status, fields, onDrain) => {
      const outcome = request.onInterim(status, fields, () => {
        isClientBlocking = false
        onDrain()
      })
      isClientBlocking = outcome === 'blocked'
      return outcome
    }
    const stop = idle.watch(check)
    try {
      const response = await next({ ...request, onSend, onInterim }, signal)
      request.onResponse(clock.monotonicMs() - startedAtMs)
      return response
    } finally {
      stop()
    }
  }
}

const NO_RESPONSE = 'no response within the time limit'
export const NO_CONNECTION = 'no connection became available within the time limit'
