import type { SidecarError } from '../errors.ts'
import { isArriving } from '../http/request-body.ts'
import type { ResponseWriter } from '../http/response-writer.ts'
import type { UpstreamFailure } from '../http/upstream-failure.ts'
import type { Clock } from '../lib/clock.ts'
import { clientStalled } from './client-stalled.ts'
import type { ExchangeRoundTrip } from './exchange-request.ts'
import type { IdleWatch } from './idle-watch.ts'
import { NO_CONNECTION } from './response-timeout.ts'

export type IdleTimeoutOptions = {
  /** Inactivity in the body of the request or of the response; 0 for no limit. */
  readonly idleMs: number
  readonly fail: UpstreamFailure
  readonly idle: IdleWatch
  readonly clock: Clock
}

/** Ends an exchange in which one side stops sending or reading a body. */
export function withIdleTimeout(
  { idleMs, fail, idle, clock }: IdleTimeoutOptions,
  next: ExchangeRoundTrip,
): ExchangeRoundTrip {
  if (idleMs === 0) return next
  return async (request, signal) => {
    const { body } = request
    // Otherwise there is nothing to watch before the response.
    const watchesRequest = isArriving(body)
    let lastActivityMs = 0
    /** Whether there was activity since the last check; reading the clock for each chunk would cost more. */
    let isActive = true
    let receivedBytes = 0
    let isSent = false
    let writer: ResponseWriter | undefined
    let isClientBlocking = false

    const check = (): void => {
      if (isArriving(body)) {
        isActive ||= receivedBytes !== body.receivedBytes()
        receivedBytes = body.receivedBytes()
      } else if (writer === undefined) isActive = true
      const nowMs = clock.monotonicMs()
      if (isActive) lastActivityMs = nowMs
      isActive = false
      if (nowMs - lastActivityMs < idleMs) return
      const failure = expired()
      request.abort(failure)
      // The response may be complete, with only the client still to read it.
      writer?.reset(failure)
    }
    const expired = (): SidecarError => {
      if (writer !== undefined) {
        return isClientBlocking
          ? clientStalled('it does not read the response')
          : fail('timeout', 'the response body stalled')
      }
      if (!isSent) return fail('timeout', NO_CONNECTION)
      return isArriving(body) && body.isPaused()
        ? fail('timeout', 'it does not read the request body')
        : clientStalled('the rest of the request body does not arrive')
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
    const onSend = (): void => {
      isSent = true
      isActive = true
      request.onSend()
    }

    let stop = watchesRequest ? idle.watch(check) : () => {}
    try {
      const response = await next(watchesRequest ? { ...request, onSend } : request, signal)
      if (response.tunnel !== undefined) stop()
      return {
        ...response,
        pipeTo(to) {
          writer = to
          isActive = true
          if (!watchesRequest) stop = idle.watch(check)
          const piped = response.pipeTo(observed(to))
          void piped.then(stop, stop)
          return piped
        },
        discard() {
          stop()
          response.discard()
        },
      }
    } catch (error) {
      stop()
      throw error
    }
  }
}
