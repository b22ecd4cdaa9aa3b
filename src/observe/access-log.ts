import type { SidecarError } from '../errors.ts'
import { stackFrames } from '../lib/stack-frames.ts'
import type { Logger } from './logger.ts'

/** A request that is over. */
type FinishedRequest = {
  readonly method: string
  readonly protocol: string | undefined
  readonly path: string
  /** `?` and what follows; often something that nobody wants in a log. */
  readonly query: string
  readonly route: string | undefined
  /** What the application got. */
  readonly status: number
  readonly durationMs: number
  /** How long it waited for a token; undefined when one was in hand. */
  readonly tokenWaitMs: number | undefined
  /** From sending the request to the head of the response; undefined when none came. */
  readonly upstreamMs: number | undefined
  readonly requestId: string | undefined
  /** Where tracing is on. */
  readonly traceId: string | undefined
  /** What went through an upgraded connection or a tunnel. */
  readonly tunnel: FinishedTunnel | undefined
  readonly failure: SidecarError | undefined
}

type FinishedTunnel = {
  readonly bytesToUpstream: number
  readonly bytesToClient: number
  readonly end: string
}

export type AccessLog = (request: FinishedRequest) => void

export type AccessLogOptions = {
  /** The share of ordinary requests that get a line, from 0 to 1. */
  readonly share: number
  /** Those that take longer are no ordinary ones; 0 for no limit. */
  readonly slowMs: number
  readonly withQuery: boolean
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** One line for each request, when it is over. Those that failed or were slow get theirs in any case. */
export function createAccessLog(log: Logger, options: AccessLogOptions): AccessLog {
  const { share, slowMs, withQuery, random } = options
  return (request) => {
    const { failure, tunnel } = request
    // A tunnel is not slow, it is open.
    const isSlow = slowMs > 0 && tunnel === undefined && request.durationMs >= slowMs
    if (failure === undefined && !isSlow && share < 1 && random() >= share) return
    const fields = {
      route: request.route,
      method: request.method,
      protocol: request.protocol,
      path: withQuery ? request.path + request.query : request.path,
      status: request.status,
      durationMs: round(request.durationMs),
      upstreamMs: round(request.upstreamMs),
      tokenWaitMs: round(request.tokenWaitMs),
      requestId: request.requestId,
      traceId: request.traceId,
      ...tunnel,
    }
    if (failure === undefined && isSlow) log.warn(fields, 'slow request')
    else if (failure === undefined) log.info(fields, 'request')
    else if (failure.code === 'client_closed')
      log.info({ ...fields, code: failure.code }, 'request')
    else
      log.warn(
        { ...fields, code: failure.code, reason: failure.message, stack: stackOf(failure) },
        'request failed',
      )
  }
}

/** Where a fault of our own comes from; other failures say in words what went wrong. */
function stackOf(failure: SidecarError): string | undefined {
  const { code, cause } = failure
  return code === 'internal_error' && cause !== undefined ? stackFrames(cause) : undefined
}

function round(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 100) / 100
}
