import { toSidecarError } from '../errors.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'
import type { RequestSpan } from '../observe/tracer.ts'
import type { ExchangeRequest, ExchangeRoundTrip } from './exchange-request.ts'
import type { RequestFieldPolicy } from './request-fields.ts'
import { withTraceContext } from './trace-context.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/** Records each attempt as a span, and propagates the trace context (W3C Trace Context section 3). */
export function traced(
  policy: Pick<RequestFieldPolicy, 'dropped'>,
  next: ExchangeRoundTrip,
): ExchangeRoundTrip {
  return (request, signal) =>
    request.span === undefined ? next(request, signal) : sendTraced(request, request.span, signal)

  async function sendTraced(
    request: ExchangeRequest,
    span: RequestSpan,
    signal: AbortSignalLike,
  ): Promise<UpstreamResponse> {
    const attempt = span.attempt(request.method, request.url)
    const { traceparent } = attempt
    const fields = withTraceContext(request.fields, traceparent, span.isContinued, policy)
    try {
      const response = await next({ ...request, fields }, signal)
      attempt.end({ status: response.status, version: response.version })
      return response
    } catch (cause) {
      attempt.end({ failure: toSidecarError(cause) })
      throw cause
    }
  }
}
