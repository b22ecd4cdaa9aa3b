import { type Retry, SidecarError } from '../errors.ts'
import { type CompleteBody, isStreamed } from '../http/request-body.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { ExchangeRequest, ExchangeRoundTrip } from './exchange-request.ts'

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/**
 * Sends a request once more, on a new connection, if the upstream closed the first connection before
 * it responded and sending twice is harmless (RFC 9112 section 9.3.1).
 */
export function retryStale(
  metrics: Pick<RouteMetrics, 'retried'>,
  next: ExchangeRoundTrip,
): ExchangeRoundTrip {
  return (request, signal) => {
    const repeatable = request.body === null && IDEMPOTENT.has(request.method)
    return next(repeatable ? { ...request, repeatable } : request, signal).catch((error: unknown) =>
      retry(error, request, signal),
    )
  }

  async function retry(
    error: unknown,
    request: ExchangeRequest,
    signal: AbortSignalLike,
  ): Promise<UpstreamResponse> {
    const allowed = error instanceof SidecarError ? error.retry : undefined
    if (!isRepeatable(request, allowed)) throw error
    const isUnsent = allowed === 'always' && isBodyUnread(request)
    const body = isUnsent ? request.body : await completeBody(request)
    if (body === undefined) throw error
    metrics.retried()
    return await next({ ...request, body, dedicated: true }, signal)
  }
}

function isRepeatable({ method }: ExchangeRequest, retry: Retry | undefined): boolean {
  return retry === 'always' || (retry === 'if idempotent' && IDEMPOTENT.has(method))
}

/** Over HTTP/2, a request whose body has been sent may turn out not to be processed. */
function isBodyUnread({ body }: ExchangeRequest): boolean {
  return !isStreamed(body) || !body.stream.readableDidRead
}

/** Undefined if the body is no longer available, or not yet. */
async function completeBody({ body }: ExchangeRequest): Promise<CompleteBody | null | undefined> {
  if (!isStreamed(body)) return body
  return body.isKept() && body.isComplete() ? await body.whole() : undefined
}
