import { isStreamed } from '../http/request-body.ts'
import type { UpstreamResponse } from '../http/round-trip.ts'
import { abortable } from '../lib/abortable.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import type { ExchangeRequest, ExchangeRoundTrip } from './exchange-request.ts'
import { tokenDecision } from './token-decision.ts'
import { whileClientWaits } from './wait-for-token.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

export type ReplayOptions = {
  readonly tokens: Pick<TokenSource, 'replace'>
  /** How long to wait for another token. */
  readonly tokenMs: number
  readonly metrics: Pick<RouteMetrics, 'replayed'>
}

/** The response that rejects the token of a request. */
type Rejection = {
  readonly request: ExchangeRequest
  readonly token: AccessToken
  readonly response: UpstreamResponse
  readonly decision: Exclude<ReturnType<typeof tokenDecision>, 'accepted'>
}

const NEVER = new AbortController().signal

/**
 * When the upstream rejects the token, requests another and sends the request once more if its body
 * allows it. The response to that is final; without another token the first response is.
 */
export function replayAfter401(options: ReplayOptions, next: ExchangeRoundTrip): ExchangeRoundTrip {
  const { tokens, metrics } = options
  return (request, signal) => {
    const { token, isGrpc } = request
    const sent = next(request, signal)
    if (token === undefined) return sent
    return sent.then((response) => {
      const decision = tokenDecision(response, isGrpc)
      return decision === 'accepted'
        ? response
        : replay({ request, token, response, decision }, signal)
    })
  }

  async function replay(
    { request, token, response, decision }: Rejection,
    signal: AbortSignalLike,
  ): Promise<UpstreamResponse> {
    const { body, isGrpc } = request
    // The client of a gRPC stream may wait for this response before it sends the rest.
    const isReplayable = !isStreamed(body) || (body.isKept() && (!isGrpc || body.isComplete()))
    if (!isReplayable) {
      // The next request gets another token.
      if (decision === 'rejected') tokens.replace(token, NEVER)?.catch(() => {})
      return response
    }
    const whole = isStreamed(body) ? await abortable(body.whole(), signal) : body
    if (whole === undefined) return response
    const better = decision === 'nonce required' ? token : await otherToken(request, token, signal)
    if (better === undefined || (better === token && decision === 'rejected')) return response
    response.discard()
    metrics.replayed()
    request.onReplay(better)
    return await next({ ...request, body: whole, token: better }, signal)
  }

  /** Undefined when there is none soon; the application then receives the upstream's 401. */
  async function otherToken(
    { span }: ExchangeRequest,
    token: AccessToken,
    signal: AbortSignalLike,
  ): Promise<AccessToken | undefined> {
    try {
      return await whileClientWaits(
        signal,
        options.tokenMs,
        (waitSignal, waiting) => tokens.replace(token, waitSignal, waiting),
        span,
      )
    } catch (error) {
      // The token source has logged why.
      if (signal.aborted) throw error
      return undefined
    }
  }
}
