import type { SidecarError } from '../errors.ts'
import { stackFrames } from '../lib/stack-frames.ts'
import type { Logger } from './logger.ts'

/** A request that has ended. */
type FinishedRequest = {
  readonly method: string
  readonly protocol: string | undefined
  readonly mode: string | undefined
  readonly path: string
  /** With the `?`; it may contain personal data. */
  readonly query: string
  readonly route: string | undefined
  /** Undefined if there is only one. */
  readonly listener: string | undefined
  /** The name under which the caller has authenticated, if the listener requires it. */
  readonly caller: string | undefined
  /** The status that the client received. */
  readonly status: number
  /** The status of a gRPC call; undefined for any other request. */
  readonly grpcStatus: number | undefined
  readonly durationMs: number
  /** The wait for a token; undefined if one was cached. */
  readonly tokenWaitMs: number | undefined
  /** From sending the request to receiving the response head; undefined if there was none. */
  readonly upstreamMs: number | undefined
  readonly requestId: string | undefined
  /** Undefined if tracing is off. */
  readonly traceId: string | undefined
  /** Of an upgraded connection or a CONNECT tunnel. */
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
  /** The share of successful, fast requests that are logged, from 0 to 1. */
  readonly share: number
  /** Slower requests are always logged; 0 for no limit. */
  readonly slowMs: number
  readonly withQuery: boolean
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Logs each request when it has ended. Failed and slow requests are never sampled out. */
export function createAccessLog(log: Logger, options: AccessLogOptions): AccessLog {
  const { share, slowMs, withQuery, random } = options
  return (request) => {
    const { failure, tunnel } = request
    // A tunnel stays open for as long as it is used.
    const isSlow = slowMs > 0 && tunnel === undefined && request.durationMs >= slowMs
    if (failure === undefined && !isSlow && share < 1 && random() >= share) return
    const fields = {
      route: request.route,
      listener: request.listener,
      caller: request.caller,
      method: request.method,
      protocol: request.protocol,
      mode: request.mode,
      path: withQuery ? request.path + request.query : request.path,
      status: request.status,
      grpcStatus: request.grpcStatus,
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

/** The origin of an internal error; the message of any other failure is enough. */
function stackOf(failure: SidecarError): string | undefined {
  const { code, cause } = failure
  return code === 'internal_error' && cause !== undefined ? stackFrames(cause) : undefined
}

function round(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 100) / 100
}
