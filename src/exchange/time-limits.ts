import type { SidecarError } from '../errors.ts'
import { isArriving } from '../http/request-body.ts'
import type { ResponseWriter } from '../http/response-writer.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'
import type { UpstreamFailure } from '../http/upstream-failure.ts'
import type { Clock } from '../lib/clock.ts'
import { clientStalled } from './client-stalled.ts'
import type { ExchangeRequest, ExchangeRoundTrip } from './exchange-request.ts'
import type { IdleWatch } from './idle-watch.ts'

export type TimeLimitOptions = {
  /** From the end of the request to the head of the response; 0 for no limit. */
  readonly responseMs: number
  /** Inactivity in the body of the request or of the response; 0 for no limit. */
  readonly idleMs: number
  readonly fail: UpstreamFailure
  readonly idle: IdleWatch
  readonly clock: Clock
}

/**
 * Ends an exchange whose response does not begin in time, or in which one side stops sending or reading a
 * body. Measures how long each attempt waits for the head of its response.
 */
export function withTimeLimits(
  { responseMs, idleMs, fail, idle, clock }: TimeLimitOptions,
  next: ExchangeRoundTrip,
): ExchangeRoundTrip {
  return (request, signal) => {
    const { body } = request
    const startedAtMs = clock.monotonicMs()
    let lastActivityMs = startedAtMs
    /** Whether there was activity since the last check; reading the clock each time would cost more. */
    let isActive = false
    let isUploading = isArriving(body)
    let receivedBytes = 0
    let isSent = false
    let hasResponse = false
    let writer: ResponseWriter | undefined
    let isClientBlocking = false

    const check = (): void => {
      const nowMs = clock.monotonicMs()
      if (isArriving(body)) {
        isActive ||= receivedBytes !== body.receivedBytes()
        receivedBytes = body.receivedBytes()
      } else if (isUploading) {
        isUploading = false
        isActive = true
      }
      if (isActive) lastActivityMs = nowMs
      isActive = false
      const limitMs = currentLimitMs()
      if (limitMs === 0 || nowMs - lastActivityMs < limitMs) return
      const failure = expired()
      request.abort(failure)
      // The response may be complete, with only the client still to read it.
      writer?.reset(failure)
    }
    const currentLimitMs = (): number => {
      if (isArriving(body) || writer !== undefined) return idleMs
      if (hasResponse) return 0
      return isClientBlocking ? responseMs || idleMs : responseMs
    }
    const expired = (): SidecarError => {
      if (isClientBlocking) return clientStalled('it does not read the response')
      if (writer !== undefined) return fail('timeout', 'the response body stalled')
      if (!isSent) return fail('timeout', 'no connection became available within the time limit')
      if (!isArriving(body)) return fail('timeout', 'no response within the time limit')
      return body.isPaused()
        ? fail('timeout', 'it does not read the request body')
        : clientStalled('the rest of the request body does not arrive')
    }

    const onSend = (): void => {
      isSent = true
      isActive = true
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
    const observed = (inner: ResponseWriter): ResponseWriter => ({
      ...inner,
      write(chunk, onDrain) {
        isActive = true
        isClientBlocking = !inner.write(chunk, () => {
          isClientBlocking = false
          isActive = true
          onDrain()
        })
        return !isClientBlocking
      },
      end(trailers) {
        isClientBlocking = true
        return inner.end(trailers)
      },
    })
    const onResponse = (response: UpstreamResponse): UpstreamResponse => {
      hasResponse = true
      request.onResponse(clock.monotonicMs() - startedAtMs)
      if (!isArriving(body) || idleMs === 0 || response.tunnel !== undefined) stop()
      return idleMs === 0 || response.tunnel !== undefined ? response : limited(response)
    }
    const limited = (response: UpstreamResponse): UpstreamResponse => ({
      ...response,
      pipeTo(to) {
        writer = to
        isActive = true
        const piped = response.pipeTo(observed(to))
        stop()
        if (piped !== undefined) {
          stop = idle.watch(check)
          void piped.then(stop, stop)
        }
        return piped
      },
      discard() {
        stop()
        response.discard()
      },
    })

    let stop = idle.watch(check)
    return next({ ...request, onSend, onInterim }, signal).then(onResponse, (error: unknown) => {
      stop()
      throw error
    })
  }
}
