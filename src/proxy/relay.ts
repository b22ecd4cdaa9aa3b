import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { clientClosed, SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { networkFault, type NetworkFault } from '../lib/network-fault.ts'
import { clientGone } from './client-gone.ts'
import { fieldValues } from './field-lines.ts'
import { endEarly } from './linger.ts'
import {
  interimHeaders,
  responseFraming,
  type ResponseHeaderPolicy,
  responseHeaders,
  responseTrailers,
} from './response-headers.ts'
import type { StallWatch } from './stall-watch.ts'
import type { Upstream } from './upstream.ts'

export type UpstreamRequest = {
  readonly upstream: Upstream
  readonly method: string
  readonly path: string
  /** Names and values, alternating. */
  readonly headers: string[]
  readonly body: Readable | Buffer | null
  /** The protocols to switch to (RFC 9110 section 7.8). */
  readonly upgrade: string | undefined
  /** Whether to open a connection for this request alone. */
  readonly onNewConnection: boolean
  /** Looks at the head of the answer and says whether to hold it back. */
  readonly judge: (status: number, headers: readonly string[]) => boolean
  readonly answerHeaders: ResponseHeaderPolicy
  /** How the application addressed us. */
  readonly ownOrigin: string
  /** From the end of the request to the head of the response; 0 for no limit. */
  readonly responseMs: number
  /** Silence within either body; 0 for no limit. */
  readonly idleMs: number
}

/** The application's side of an exchange, and what time it is. */
export type RelayContext = {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly clock: Clock
  readonly stalls: StallWatch
}

export type UpstreamAnswer = {
  readonly status: number
  /** From the dispatch to the head of the response. */
  readonly waitedMs: number
  /** The answer itself, where it was held back. */
  readonly held?: HeldAnswer
  /** After a 101: the connection, which is the caller's from now on, and the head that came. */
  readonly switched?: { readonly socket: Duplex; readonly headers: readonly string[] }
}

/** A connection that had been used before was closed under the request, and nothing came back. */
export type LostConnection = { readonly lost: SidecarError }

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
 * that knows undici's callbacks. Settles when the exchange is over, or its answer is held, or the
 * connection has become a tunnel. Fails with `upstream_*`, `request_timeout` or `client_closed`; when
 * that happens after the head of the response was passed on, the connection to the client has been
 * cut, because a truncated response must not look whole.
 */
export async function relay(
  request: UpstreamRequest,
  { req, res, clock, stalls }: RelayContext,
): Promise<UpstreamAnswer | LostConnection> {
  const { upstream, body, judge, responseMs, idleMs } = request
  // While a proof was signed, say: the end that is listened for below would never come.
  if (res.destroyed) throw clientClosed()
  const dispatchedAtMs = clock.monotonicMs()
  /** When something last went from one side to the other. */
  let movedAtMs = dispatchedAtMs
  let requestBytes = 0
  let outcome = Promise.withResolvers<UpstreamAnswer | LostConnection>()
  let controller: Dispatcher.DispatchController | undefined
  let answer: UpstreamAnswer | undefined
  let failure: SidecarError | undefined
  let isInterimSent = false
  let wasUsedBefore = false
  let isHeld = false
  let unwantedBytes: number | undefined
  let length = Number.NaN
  let small: Buffer | undefined
  let isEnded = false

  const fail = (error: SidecarError): void => {
    if (failure !== undefined) return
    failure = error
    letGo()
    if (res.headersSent) res.destroy()
    outcome.reject(error)
  }
  const abort = (error: SidecarError): void => {
    fail(error)
    // Without a controller it still waits for a connection, and ends when it gets one.
    controller?.abort(error)
  }
  const onClose = (): void => {
    if (!res.writableFinished) abort(clientGone(req))
  }
  const lookForStall = (): void => {
    if (isHeld) return
    const now = clock.monotonicMs()
    const isUploading = answer === undefined && isStream(body) && !req.complete
    if (isUploading && requestBytes !== req.socket.bytesRead) {
      requestBytes = req.socket.bytesRead
      movedAtMs = now
    }
    const limitMs = isUploading || answer !== undefined ? idleMs : responseMs
    if (limitMs > 0 && now - movedAtMs >= limitMs) abort(stallFailure())
  }
  const switchedUnasked = (): SidecarError =>
    new SidecarError(
      'upstream_protocol',
      `Cannot get an answer from "${upstream.origin}": it switched to a protocol that nobody asked for`,
    )
  const stallFailure = (): SidecarError => {
    if (isEnded || (answer !== undefined && controller?.paused === true)) {
      return clientStalled('it does not read the response')
    }
    if (answer !== undefined) return upstreamTimeout('the response body stalled')
    if (controller === undefined) return upstreamTimeout('no connection became free in time')
    if (!isStream(body) || req.complete) return upstreamTimeout('no response came in time')
    return req.isPaused()
      ? upstreamTimeout('it does not read the request body')
      : clientStalled('the rest of the request body does not come')
  }
  const upstreamTimeout = (reason: string): SidecarError =>
    new SidecarError(
      'upstream_timeout',
      `Cannot get an answer from "${upstream.origin}": ${reason}`,
    )

  res.once('close', onClose)
  const endWatch = stalls.watch(lookForStall)
  const end = (): void => {
    letGo()
    if (answer !== undefined) outcome.resolve(answer)
  }
  /** From here on the exchange is none of ours. */
  const letGo = (): void => {
    endWatch()
    res.off('close', onClose)
  }

  /** RFC 9112 section 7.1.2: trailers go behind chunks, and nowhere else. */
  const mayHaveTrailers = (status: number): boolean =>
    Number.isNaN(length) &&
    request.method !== 'HEAD' &&
    status !== 204 &&
    status !== 304 &&
    req.httpVersionMinor > 0
  const begin = (status: number, reason: string, headers: readonly string[]): void => {
    endEarly(req, res)
    const context = { ownOrigin: request.ownOrigin, mayHaveTrailers: mayHaveTrailers(status) }
    res.writeHead(status, reason, responseHeaders(headers, request.answerHeaders, context))
    // A body that came in the same read leaves in the same write; a head alone leaves at once.
    process.nextTick(flushHead, res)
  }

  const dispatcher = request.onNewConnection ? upstream.newConnection() : upstream.pool()
  const options = {
    method: request.method,
    path: request.path,
    headers: request.headers,
    body,
    upgrade: request.upgrade ?? null,
    // Not in undici's types: else it would go by the Host header, which may be the application's.
    servername: upstream.servername,
    // Without this a HEAD request costs its connection; with it an upgrade would be refused.
    ...(request.upgrade === undefined && { reset: false }),
  }
  dispatcher.dispatch(options, {
    onRequestStart(started) {
      controller = started
      wasUsedBefore = !upstream.isConnecting()
      movedAtMs = clock.monotonicMs()
      // It may have failed, or the client left, while it waited for a connection.
      if (failure !== undefined) started.abort(failure)
      else if (res.destroyed) abort(clientClosed())
    },

    onRequestUpgrade(started, status, _headers, socket) {
      // Nobody listens yet, and an error without a listener would end the process.
      socket.on('error', () => {})
      const headers = rawPairs(started.rawHeaders)
      if (!wereAskedFor(fieldValues(headers, 'upgrade'), request.upgrade)) {
        socket.destroy()
        fail(switchedUnasked())
        return
      }
      letGo()
      outcome.resolve({
        status,
        waitedMs: clock.monotonicMs() - dispatchedAtMs,
        switched: { socket, headers },
      })
    },

    onResponseStart(started, status, _headers, reason = '') {
      movedAtMs = clock.monotonicMs()
      const headers = rawPairs(started.rawHeaders)
      if (status === 101) {
        started.abort(switchedUnasked())
        return
      }
      if (status >= 100 && status < 200) {
        // RFC 9110 section 15.2: not to a client that does not know of them.
        if (req.httpVersionMinor > 0 && !res.headersSent) {
          isInterimSent = true
          res.writeInformation(status, interimHeaders(headers))
        }
        return
      }
      const framing = responseFraming(headers)
      const phrase = reasonPhrase(reason)
      if (status < 100 || phrase === undefined || STILL_CODED.test(framing.codings)) {
        abort(invalidAnswer(upstream.origin))
        return
      }
      length = framing.length
      answer = { status, waitedMs: movedAtMs - dispatchedAtMs }
      if (!judge(status, headers)) {
        begin(status, phrase, headers)
        return
      }
      isHeld = true
      started.pause()
      outcome.resolve({
        ...answer,
        held: {
          async pass() {
            if (failure !== undefined) throw failure
            outcome = Promise.withResolvers()
            isHeld = false
            movedAtMs = clock.monotonicMs()
            begin(status, phrase, headers)
            started.resume()
            return answered(await outcome.promise)
          },
          discard() {
            unwantedBytes = 0
            letGo()
            started.resume()
          },
        },
      })
    },

    onResponseData(started, chunk) {
      movedAtMs = clock.monotonicMs()
      if (unwantedBytes !== undefined) {
        unwantedBytes += chunk.length
        if (unwantedBytes > DISCARD_BYTES) started.abort(clientClosed())
      } else if (chunk.length === length && length <= SMALL_BYTES) {
        small = chunk
      } else if (!res.write(chunk)) {
        started.pause()
        res.once('drain', () => {
          movedAtMs = clock.monotonicMs()
          // Not at once: this may be within the data of another answer, and undici reads one at a time.
          process.nextTick(resume, started)
        })
      }
    },

    onResponseEnd(started) {
      if (unwantedBytes !== undefined) return
      const trailers = responseTrailers(rawPairs(started.rawTrailers))
      if (trailers.length > 0) res.addTrailers(trailers)
      if (small === undefined) res.end()
      else res.end(small.toString('latin1'), 'latin1')
      isEnded = true
      // Most answers are in the system's hands by now; others wait for the client to read them.
      if (res.writableLength === 0) end()
      else res.once('finish', end)
    },

    onResponseError(_controller, error) {
      if (unwantedBytes !== undefined) return
      const reason = toFailure(error, upstream.origin)
      const isLost = reason.code === 'upstream_reset' && answer === undefined && !isInterimSent
      if (failure === undefined && isLost && wasUsedBefore) {
        letGo()
        outcome.resolve({ lost: reason })
      } else fail(reason)
    },
  })
  return await outcome.promise
}

/** The answer; fails if there is none. */
export function answered(outcome: UpstreamAnswer | LostConnection): UpstreamAnswer {
  if ('lost' in outcome) throw outcome.lost
  return outcome
}

function isStream(body: UpstreamRequest['body']): body is Readable {
  return body !== null && !Buffer.isBuffer(body)
}

/** RFC 9110 section 7.8: whether all of these protocols were asked for, and there is one. */
function wereAskedFor(chosen: readonly string[], asked = ''): boolean {
  const wanted = new Set(protocolsOf(asked))
  return chosen.length > 0 && protocolsOf(chosen.join()).every((protocol) => wanted.has(protocol))
}

function protocolsOf(list: string): string[] {
  return list
    .toLowerCase()
    .split(',')
    .map((protocol) => protocol.trim())
}

function clientStalled(reason: string): SidecarError {
  return new SidecarError('request_timeout', `Cannot wait any longer for the client: ${reason}`)
}

function resume(controller: Dispatcher.DispatchController): void {
  controller.resume()
}

function flushHead(res: ServerResponse): void {
  res.flushHeaders()
}

/** undici gives header bytes as they came; they are latin1, whatever they mean. */
function rawPairs(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}

/**
 * Transfer codings that leave the body in a form that nobody behind us could tell, because their
 * label ends here (RFC 9112 section 7). What no standard knows is taken for a label without meaning.
 */
const STILL_CODED = /gzip|deflate|compress|chunked.*chunked/

/**
 * The phrase as it goes out, one character for each byte; empty where undici, which reads UTF-8,
 * could not tell its bytes; undefined for what is none (RFC 9112 section 4).
 */
function reasonPhrase(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(text)) return undefined
  if (/^[\t -~]*$/.test(text)) return text
  return text.includes('\uFFFD') ? '' : Buffer.from(text).toString('latin1')
}

function invalidAnswer(origin: string): SidecarError {
  return new SidecarError(
    'upstream_protocol',
    `Cannot get an answer from "${origin}": the response is not valid HTTP`,
  )
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
