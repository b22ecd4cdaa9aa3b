import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { clientClosed, SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { networkFault, type NetworkFault } from '../lib/network-fault.ts'
import { headerValues, responseHeaders, responseTrailers } from './headers.ts'
import type { Upstream } from './upstream.ts'

export type UpstreamRequest = {
  readonly upstream: Upstream
  readonly method: string
  readonly path: string
  /** Names and values, alternating. */
  readonly headers: string[]
  readonly body: Readable | Buffer | null
  /** Looks at the head of the answer and says whether to hold it back. */
  readonly judge: (status: number, headers: readonly string[]) => boolean
  /** Names, in lower case, that are left out of the answer. */
  readonly hiddenHeaders: ReadonlySet<string>
  readonly responseTimeoutMs: number
  readonly idleTimeoutMs: number
}

export type UpstreamAnswer = {
  readonly status: number
  /** From the dispatch to the head of the response. */
  readonly waitedMs: number
  /** The answer itself, where it was held back. */
  readonly held?: HeldAnswer
}

type HeldAnswer = {
  /** Streams it to the client after all. */
  readonly pass: () => Promise<UpstreamAnswer>
  readonly discard: () => void
}

/** A whole body up to this size is written together with the head, as one string: one system call. */
const SMALL_BYTES = 8 * 1024

/** What is read of an answer that nobody wants, to keep its connection; more costs more than a new one. */
const DISCARD_BYTES = 64 * 1024

/**
 * Sends one request and streams the answer into `res`, unless `judge` holds it back. The one place
 * that knows undici's callbacks. Settles when the exchange is over or its answer is held. Fails with
 * `upstream_*` or `client_closed`; when that happens after the head of the response was passed on,
 * the connection to the client has been cut, because a truncated response must not look whole.
 */
export async function relay(
  request: UpstreamRequest,
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
): Promise<UpstreamAnswer> {
  const { upstream, judge, hiddenHeaders } = request
  const dispatchedAtMs = clock.monotonicMs()
  let outcome = Promise.withResolvers<UpstreamAnswer>()
  let controller: Dispatcher.DispatchController | undefined
  let answer: UpstreamAnswer | undefined
  let failure: SidecarError | undefined
  let unwantedBytes: number | undefined
  let length = Number.NaN
  let small: Buffer | undefined

  const fail = (error: SidecarError): void => {
    failure = error
    outcome.reject(error)
  }
  const onClose = (): void => {
    if (res.writableFinished) return
    const gone = clientClosed()
    controller?.abort(gone)
    fail(gone)
  }
  res.once('close', onClose)

  const begin = (status: number, reason: string, headers: readonly string[]): void => {
    // Nobody reads the rest of a request that was answered before its end.
    if (request.body !== null && !req.complete) res.shouldKeepAlive = false
    res.writeHead(status, reason, responseHeaders(headers, hiddenHeaders))
    length = Number(headerValues(headers, 'content-length')[0])
    // A body that came in the same read leaves in the same write; a head alone leaves at once.
    process.nextTick(flushHead, res)
  }

  upstream.pool().dispatch(
    {
      method: request.method,
      path: request.path,
      headers: request.headers,
      body: request.body,
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

      onResponseStart(started, status, _headers, reason = '') {
        const headers = rawPairs(started.rawHeaders)
        if (status < 200) {
          relayInformation(res, status, headers)
          return
        }
        answer = { status, waitedMs: clock.monotonicMs() - dispatchedAtMs }
        if (!judge(status, headers)) {
          begin(status, reason, headers)
          return
        }
        started.pause()
        outcome.resolve({
          ...answer,
          held: {
            async pass() {
              if (failure !== undefined) throw failure
              outcome = Promise.withResolvers()
              begin(status, reason, headers)
              started.resume()
              return await outcome.promise
            },
            discard() {
              unwantedBytes = 0
              res.off('close', onClose)
              started.resume()
            },
          },
        })
      },

      onResponseData(started, chunk) {
        if (unwantedBytes !== undefined) {
          unwantedBytes += chunk.length
          if (unwantedBytes > DISCARD_BYTES) started.abort(clientClosed())
        } else if (chunk.length === length && length <= SMALL_BYTES) {
          small = chunk
        } else if (!res.write(chunk)) {
          started.pause()
          res.once('drain', () => started.resume())
        }
      },

      onResponseEnd(started) {
        if (unwantedBytes !== undefined) return
        const trailers = responseTrailers(rawPairs(started.rawTrailers))
        if (trailers.length > 0) res.addTrailers(trailers)
        if (small === undefined) res.end()
        else res.end(small.toString('latin1'), 'latin1')
        if (answer !== undefined) outcome.resolve(answer)
      },

      onResponseError(_controller, error) {
        if (unwantedBytes !== undefined) return
        if (res.headersSent) res.destroy()
        fail(toFailure(error, upstream.origin))
      },
    },
  )
  return await outcome.promise
}

function flushHead(res: ServerResponse): void {
  res.flushHeaders()
}

const NOTHING: ReadonlySet<string> = new Set()

/** Interim responses (RFC 9110 section 15.2); 100 is ours to send, and 101 never gets here. */
function relayInformation(res: ServerResponse, status: number, raw: readonly string[]): void {
  if (status === 100 || res.headersSent) return
  res.writeInformation(status, responseHeaders(raw, NOTHING))
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
