import type { TokenRequestMetrics } from '../observe/token-request-metrics.ts'
import type { TokenRequestTrace } from '../observe/tracer.ts'
import { toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { TokenRequest } from './token-source.ts'

export type ObservedRequestOptions = {
  readonly credential: string
  /** The token endpoint, or the issuer. */
  readonly server: URL
  readonly metrics: TokenRequestMetrics
  /** For requests in the background, which are part of no other trace. */
  readonly tracer: TokenRequestTrace | undefined
  readonly clock: Clock
}

/** Counts, measures and traces each token request. */
export function createObservedRequest(
  request: TokenRequest,
  { credential, server, metrics, tracer, clock }: ObservedRequestOptions,
): TokenRequest {
  return async (trace = tracer) => {
    const startedAtMs = clock.monotonicMs()
    const span = trace?.tokenRequest(credential, server)
    try {
      const token = await request(trace)
      metrics.finished('success', clock.monotonicMs() - startedAtMs)
      span?.end({})
      return token
    } catch (cause) {
      const failure = toSidecarError(cause)
      metrics.finished(failure.code, clock.monotonicMs() - startedAtMs)
      span?.end({ failure })
      throw cause
    }
  }
}
