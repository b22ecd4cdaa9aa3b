import type { SidecarError } from '../errors.ts'
import { stackFrames } from '../lib/stack-frames.ts'
import type { Logger } from './logger.ts'

/** A request that is over. The path has no query: queries hold what nobody wants in a log. */
type FinishedRequest = {
  readonly method: string
  readonly path: string
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

/** One line for each request, when it is over; without the access log only for those that failed. */
export function createAccessLog(log: Logger, mode: 'on' | 'off'): AccessLog {
  return (request) => {
    const { failure } = request
    if (failure === undefined && mode === 'off') return
    const fields = {
      route: request.route,
      method: request.method,
      path: request.path,
      status: request.status,
      durationMs: round(request.durationMs),
      upstreamMs: round(request.upstreamMs),
      tokenWaitMs: round(request.tokenWaitMs),
      requestId: request.requestId,
      traceId: request.traceId,
      ...request.tunnel,
    }
    if (failure === undefined) log.info(fields, 'request')
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
