import { toUpstreamFailure } from '../http/upstream-failure.ts'
import type { RoundTrip, UpstreamRequest, UpstreamResponse } from '../http/round-trip.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/** A request that waits for a connection. */
export type QueuedRequest = {
  readonly request: UpstreamRequest
  readonly sendWith: (roundTrip: RoundTrip) => void
  readonly fail: (error: unknown) => void
}

/** Adds a request to the end of `queue`, which it leaves if `signal` aborts. Resolves with its response. */
export function enqueue(
  queue: Set<QueuedRequest>,
  request: UpstreamRequest,
  signal: AbortSignalLike,
  origin: string,
): Promise<UpstreamResponse> {
  const sent = Promise.withResolvers<UpstreamResponse>()
  const entry: QueuedRequest = {
    request,
    sendWith(roundTrip) {
      signal.removeEventListener('abort', onAbort)
      sent.resolve(roundTrip(request, signal))
    },
    fail(error) {
      signal.removeEventListener('abort', onAbort)
      sent.reject(toUpstreamFailure(origin, error))
    },
  }
  const onAbort = (): void => {
    queue.delete(entry)
    entry.fail(signal.reason)
  }
  signal.addEventListener('abort', onAbort)
  queue.add(entry)
  return sent.promise
}
