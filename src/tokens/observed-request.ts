import type { TokenRequestMetrics } from '../observe/token-request-metrics.ts'
import { toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { TokenRequest } from './token-source.ts'

/** Counts and times each exchange. */
export function createObservedRequest(
  request: TokenRequest,
  { metrics, clock }: { readonly metrics: TokenRequestMetrics; readonly clock: Clock },
): TokenRequest {
  return async () => {
    const startedAtMs = clock.monotonicMs()
    try {
      const token = await request()
      metrics.finished('success', clock.monotonicMs() - startedAtMs)
      return token
    } catch (cause) {
      metrics.finished(toSidecarError(cause).code, clock.monotonicMs() - startedAtMs)
      throw cause
    }
  }
}
