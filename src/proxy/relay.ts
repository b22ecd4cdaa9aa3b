import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { clientClosed, SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { networkFault, type NetworkFault } from '../lib/network-fault.ts'
import { responseHeaders, responseTrailers } from './headers.ts'
import { createRequestBody } from './request-body.ts'
import type { Upstream } from './upstream.ts'

export type UpstreamRequest = {
  readonly upstream: Upstream
  readonly method: string
  readonly path: string
  /** Names and values, alternating. */
  readonly headers: string[]
  readonly hasBody: boolean
  readonly responseTimeoutMs: number
  readonly idleTimeoutMs: number
}

export type UpstreamAnswer = {
  readonly status: number
  /** From the dispatch to the head of the response. */
  readonly waitedMs: number
}

/**
 * Sends one request and streams the answer into `res`. The one place that knows undici's callbacks.
 * Settles when the exchange is over. Fails with `upstream_*` or `client_closed`; when that happens
 * after the head of the response was passed on, the connection to the client has been cut, because
 * a truncated response must not look whole.
 */
export async function relay(
  request: UpstreamRequest,
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
): Promise<UpstreamAnswer> {
  const { upstream } = request
  const dispatchedAtMs = clock.monotonicMs()
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamAnswer>()
  let controller: Dispatcher.DispatchController | undefined
  let answer: UpstreamAnswer | undefined

  const onClose = (): void => {
    if (res.writableFinished) return
    const gone = clientClosed()
    controller?.abort(gone)
    reject(gone)
  }
  res.once('close', onClose)

  upstream.pool().dispatch(
    {
      method: request.method,
      path: request.path,
      headers: request.headers,
      body: request.hasBody ? createRequestBody(req) : null,
      headersTimeout: request.responseTimeoutMs,
      bodyTimeout: request.idleTimeoutMs,
      // Without this a HEAD request costs its connection.
      reset: false,
    },
    {
      onRequestStart(started) {
        controller = started
        // The client may leave while the request waits for a connection.
        if (res.destroyed) started.abort(clientClosed())
      },

      onResponseStart(started, status, _headers, reason) {
        if (status < 200) {
          relayInformation(res, status, rawPairs(started.rawHeaders))
          return
        }
        answer = { status, waitedMs: clock.monotonicMs() - dispatchedAtMs }
        // Nobody reads the rest of a request that was answered before its end.
        if (request.hasBody && !req.complete) res.shouldKeepAlive = false
        // Whatever arrives in the same read leaves in the same write, and a head alone at once.
        res.cork()
        process.nextTick(flush, res)
        res.writeHead(status, reason ?? '', responseHeaders(rawPairs(started.rawHeaders)))
      },

      onResponseData(started, chunk) {
        if (res.write(chunk)) return
        started.pause()
        res.once('drain', () => started.resume())
      },

      onResponseEnd(started) {
        const trailers = responseTrailers(rawPairs(started.rawTrailers))
        if (trailers.length > 0) res.addTrailers(trailers)
        res.end()
        if (answer !== undefined) resolve(answer)
      },

      onResponseError(_controller, error) {
        if (res.headersSent) res.destroy()
        reject(toFailure(error, upstream.origin))
      },
    },
  )
  return await promise
}

function flush(res: ServerResponse): void {
  res.flushHeaders()
  res.uncork()
}

/** Interim responses (RFC 9110 section 15.2); 100 is ours to send, and 101 never gets here. */
function relayInformation(res: ServerResponse, status: number, raw: readonly string[]): void {
  if (status === 100 || res.headersSent) return
  res.writeInformation(status, responseHeaders(raw))
}

/** undici gives header bytes as they came; they are latin1, whatever they mean. */
function rawPairs(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}

const CODES = {
  unreachable: 'upstream_unreachable',
  tls: 'upstream_tls',
  timeout: 'upstream_timeout',
  protocol: 'upstream_protocol',
  reset: 'upstream_reset',
} as const satisfies Record<NetworkFault['kind'], string>

function toFailure(error: unknown, origin: string): SidecarError {
  if (error instanceof SidecarError) return error
  const fault = networkFault(error)
  if (fault === undefined) {
    return new SidecarError(
      'internal_error',
      `Cannot send the request to "${origin}": an unexpected error`,
      { cause: error },
    )
  }
  return new SidecarError(
    CODES[fault.kind],
    `Cannot get an answer from "${origin}": ${fault.reason}`,
    { cause: error },
  )
}
