import type { Duplex } from 'node:stream'
import type { SidecarError } from '../errors.ts'
import type { ResponseHead, UpstreamRequest, UpstreamResponse } from '../http/round-trip.ts'
import type { ResponseWriter } from '../http/response-writer.ts'
import type { Clock } from '../lib/clock.ts'

/** The response to one request while its connection receives it. */
export type PendingResponse = {
  readonly promise: Promise<UpstreamResponse>
  readonly onInterim: (head: Pick<ResponseHead, 'status' | 'fields'>) => void
  readonly onHead: (head: ResponseHead) => void
  readonly onData: (chunk: Buffer) => void
  /** The response is complete, and its connection may serve another request. */
  readonly onEnd: (trailers: readonly string[]) => void
  readonly onUpgrade: (head: ResponseHead, tunnel: Duplex) => void
  readonly onFailure: (failure: SidecarError) => void
  /** Whether the client has received nothing of it. */
  readonly isUntouched: () => boolean
}

/** Controls reading from the connection or stream that receives the response. */
export type Reading = {
  /** Stops parsing; the socket is stopped only if more data arrives before `resume`. */
  readonly hold: () => void
  readonly pause: () => void
  readonly resume: () => void
  readonly close: () => void
}

/** A discarded response is drained up to this size; beyond it, a new connection is cheaper. */
const MAX_DRAIN_BYTES = 64 * 1024
const MAX_DRAIN_MS = 2_000

export function createPendingResponse(
  request: UpstreamRequest,
  reading: Reading,
  clock: Clock,
): PendingResponse {
  const head = Promise.withResolvers<UpstreamResponse>()
  let isUntouched = true
  let writer: ResponseWriter | undefined
  let body: PromiseWithResolvers<void> | undefined
  let isFlushed = false
  let failure: SidecarError | undefined
  let isDraining = false
  let drainedBytes = 0
  let cancelDrain: (() => void) | undefined

  const pipeTo = (to: ResponseWriter): Promise<void> | undefined => {
    if (failure !== undefined) return Promise.reject(failure)
    writer = to
    reading.resume()
    return isFlushed ? undefined : piped().promise
  }
  const piped = (): PromiseWithResolvers<void> => (body ??= Promise.withResolvers())
  const discard = (): void => {
    if (failure !== undefined) return
    isDraining = true
    cancelDrain = clock.schedule(MAX_DRAIN_MS, reading.close)
    reading.resume()
  }
  const responseOf = (received: ResponseHead, tunnel: Duplex | undefined): UpstreamResponse => ({
    status: received.status,
    phrase: received.phrase,
    version: received.version,
    fields: received.fields,
    length: received.length,
    pipeTo,
    discard,
    tunnel,
  })

  return {
    promise: head.promise,
    onInterim({ status, fields }) {
      const outcome = request.onInterim(status, fields, reading.resume)
      if (outcome !== 'dropped') isUntouched = false
      if (outcome === 'blocked') reading.pause()
    },
    onHead(received) {
      isUntouched = false
      // Reading continues when the response has a destination.
      reading.hold()
      head.resolve(responseOf(received, undefined))
    },
    onUpgrade(received, tunnel) {
      head.resolve(responseOf(received, tunnel))
    },
    onData(chunk) {
      if (writer !== undefined) {
        if (!writer.write(chunk, reading.resume)) reading.pause()
      } else if (isDraining) {
        drainedBytes += chunk.length
        if (drainedBytes > MAX_DRAIN_BYTES) reading.close()
      }
    },
    onEnd(trailers) {
      cancelDrain?.()
      if (writer === undefined) return
      try {
        const flushed = writer.end(trailers)
        // Most responses end before `pipeTo` returns.
        if (flushed === undefined && body === undefined) isFlushed = true
        else piped().resolve(flushed)
      } catch (thrown) {
        piped().reject(thrown)
      }
    },
    onFailure(reason) {
      cancelDrain?.()
      failure = reason
      head.reject(reason)
      if (writer !== undefined && !isFlushed) piped().reject(reason)
    },
    isUntouched: () => isUntouched,
  }
}
