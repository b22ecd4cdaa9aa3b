import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { RequestControl, ResponseHandler } from '../outbound/connection.ts'
import type { UpstreamRequest } from '../outbound/request-writer.ts'
import type { ResponseHead } from '../outbound/response-head.ts'
import { toUpstreamFailure, upstreamFailure } from '../outbound/upstream-failure.ts'
import type { Upstream } from '../outbound/upstream.ts'
import { createAnswerWriter } from '../inbound/http1-response-writer.ts'
import { clientGone } from '../inbound/client-gone.ts'
import {
  interimHeaders,
  type ResponseHeaderPolicy,
  responseHeaders,
  responseTrailers,
} from './response-fields.ts'
import type { StallWatch } from './idle-watch.ts'
import { wasAskedFor } from '../inbound/upgrade.ts'

export type RelayRequest = UpstreamRequest & {
  readonly headers: string[]
  readonly upstream: Upstream
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

export type RelayOutcome = UpstreamAnswer | LostConnection

/** A connection that had been used before was closed under the request, and nothing came back. */
type LostConnection = { readonly lost: SidecarError }

type HeldAnswer = {
  /** Streams it to the client after all. */
  readonly pass: () => Promise<UpstreamAnswer>
  readonly discard: () => void
  /** Fails when the exchange does, while the answer is held. */
  readonly broken: Promise<never>
}

/**
 * Where an exchange stands: for an answer; with one that is held back; passing it on; reading the rest
 * of one that nobody wants, to keep its connection; or at its end, from which nothing leads back.
 */
type Phase = 'waiting' | 'held' | 'passing' | 'discarding' | 'over'

/** What is read of an answer that nobody wants; more, or waiting for more, costs more than a new connection. */
const DISCARD_BYTES = 64 * 1024
const DISCARD_MS = 2_000

/**
 * Sends one request and streams the answer to the client, unless `judge` holds it back. The one place
 * where both sides of it meet. Settles when the exchange is over, or its answer is held, or the
 * connection has become a tunnel. Fails with `upstream_*`, `request_timeout` or `client_closed`; when
 * that happens after the head of the response was passed on, the connection to the client has been
 * cut, because a truncated response must not look whole.
 */
export function relay(
  request: RelayRequest,
  { req, res, clock, stalls }: RelayContext,
): Promise<RelayOutcome> {
  const { upstream, body, responseMs, idleMs } = request
  // While a proof was signed, say: the end that is listened for below would never come.
  if (res.destroyed) throw clientGone(req)
  const client = createAnswerWriter(req, res)
  const first = Promise.withResolvers<RelayOutcome>()
  const dispatchedAtMs = clock.monotonicMs()
  /** When something last went from one side to the other. */
  let movedAtMs = dispatchedAtMs
  let requestBytes = 0
  let phase: Phase = 'waiting'
  /** Who is told how it ends. */
  let answered: (answer: UpstreamAnswer) => void = first.resolve
  let reject: (failure: SidecarError) => void = first.reject
  let answer: UpstreamAnswer | undefined
  let failure: SidecarError | undefined
  let control: RequestControl | undefined
  let isInterimSent = false
  /** Whether the upstream has said all that it had to say. */
  let hasEnded = false
  let unwantedBytes = 0

  const finish = (): void => {
    phase = 'over'
    endWatch()
  }
  const fail = (error: SidecarError): void => {
    if (phase === 'over') return
    const isWanted = phase !== 'discarding'
    finish()
    failure = error
    if (!isWanted) return
    client.cut()
    reject(error)
  }
  const abort = (error: SidecarError): void => {
    fail(error)
    if (control !== undefined) control.abort(error)
    // Where a connection is being made for it already, it ends with that.
    else upstream.forget(handler)
  }
  const onClose = (): void => {
    // Where the answer is not wanted, the client goes on with another attempt.
    const isOurs = phase !== 'over' && phase !== 'discarding'
    if (isOurs && !res.writableFinished) abort(clientGone(req))
  }

  const lookForStall = (): void => {
    const now = clock.monotonicMs()
    const isUploading = isStream(body) && !req.complete
    if (isUploading && requestBytes !== req.socket.bytesRead) {
      requestBytes = req.socket.bytesRead
      movedAtMs = now
    }
    const limitMs = limitOf(isUploading)
    if (limitMs > 0 && now - movedAtMs >= limitMs) abort(stallFailure(isUploading))
  }
  const limitOf = (isUploading: boolean): number => {
    switch (phase) {
      case 'waiting': {
        return isUploading ? idleMs : responseMs
      }
      // Else it is the token that is waited for, which has a limit of its own.
      case 'held': {
        return isUploading ? idleMs : 0
      }
      case 'passing': {
        return idleMs
      }
      case 'discarding': {
        return DISCARD_MS
      }
      case 'over': {
        return 0
      }
    }
  }
  const stallFailure = (isUploading: boolean): SidecarError => {
    if (phase === 'passing') {
      return hasEnded || control?.isPaused() === true
        ? clientStalled('it does not read the response')
        : upstreamTimeout('the response body stalled')
    }
    if (control === undefined) return upstreamTimeout('no connection became free in time')
    if (!isUploading) return upstreamTimeout('no response came in time')
    return req.isPaused()
      ? upstreamTimeout('it does not read the request body')
      : clientStalled('the rest of the request body does not come')
  }
  const upstreamTimeout = (reason: string): SidecarError =>
    upstreamFailure(upstream.origin, 'timeout', reason)

  const begin = (head: ResponseHead): void => {
    phase = 'passing'
    const { ownOrigin, method } = request
    const mayHaveTrailers = isChunkedTo(req, head, method)
    const context = { ownOrigin, minorVersion: head.minorVersion, mayHaveTrailers }
    client.begin(head, responseHeaders(head.fields, request.answerHeaders, context))
  }
  const end = (whole: UpstreamAnswer, trailers: [string, string][]): void => {
    hasEnded = true
    client.end(trailers, () => {
      if (phase === 'over') return
      finish()
      answered(whole)
    })
  }
  const hold = (head: ResponseHead, kept: UpstreamAnswer): void => {
    phase = 'held'
    control?.pause()
    const broken = Promise.withResolvers<never>()
    // Not everybody who holds an answer looks whether it breaks meanwhile.
    broken.promise.catch(() => {})
    reject = broken.reject
    const held = {
      broken: broken.promise,
      async pass() {
        if (failure !== undefined) throw failure
        const passed = Promise.withResolvers<UpstreamAnswer>()
        reject = passed.reject
        answered = passed.resolve
        movedAtMs = clock.monotonicMs()
        try {
          begin(head)
          control?.resume()
        } catch (cause) {
          abort(toUpstreamFailure(upstream.origin, cause))
        }
        return await passed.promise
      },
      discard() {
        if (phase === 'over') return
        phase = 'discarding'
        movedAtMs = clock.monotonicMs()
        control?.resume()
      },
    }
    first.resolve({ ...kept, held })
  }

  const handler: ResponseHandler = {
    onStart(started) {
      control = started
      movedAtMs = clock.monotonicMs()
      // It may have failed, or the client left, while it waited for a connection.
      if (failure !== undefined) started.abort(failure)
      else if (res.destroyed) abort(clientGone(req))
    },

    onUpgrade({ status, fields: headers }, socket) {
      if (!wasAskedFor(headers, request.upgrade)) {
        socket.destroy()
        fail(switchedUnasked(upstream.origin))
        return
      }
      finish()
      const waitedMs = clock.monotonicMs() - dispatchedAtMs
      first.resolve({ status, waitedMs, switched: { socket, headers } })
    },

    onHead(head) {
      movedAtMs = clock.monotonicMs()
      const { status, fields } = head
      if (status === 101) {
        abort(switchedUnasked(upstream.origin))
        return
      }
      if (status >= 100 && status < 200) {
        if (client.inform(status, interimHeaders(fields))) isInterimSent = true
        return
      }
      answer = { status, waitedMs: movedAtMs - dispatchedAtMs }
      if (request.judge(status, fields)) hold(head, answer)
      else begin(head)
    },

    onData(chunk) {
      movedAtMs = phase === 'discarding' ? movedAtMs : clock.monotonicMs()
      if (phase === 'discarding') {
        unwantedBytes += chunk.length
        if (unwantedBytes > DISCARD_BYTES) abort(clientGone(req))
      } else if (phase === 'passing') {
        const goOn = (): void => {
          movedAtMs = clock.monotonicMs()
          control?.resume()
        }
        if (!client.write(chunk, goOn)) control?.pause()
      }
    },

    onEnd(trailers) {
      if (phase === 'discarding') finish()
      else if (answer !== undefined) end(answer, responseTrailers(trailers))
    },

    onFailure(error) {
      const reason = toUpstreamFailure(upstream.origin, error)
      const isLost = phase === 'waiting' && control?.isReused === true && !isInterimSent
      if (isLost && reason.code === 'upstream_reset') {
        finish()
        first.resolve({ lost: reason })
      } else fail(reason)
    },
  }
  const endWatch = stalls.watch(lookForStall)
  // Not once(): that would cost more than it saves.
  res.on('close', onClose)
  if (request.onNewConnection) upstream.dispatchOnNew(request, handler)
  else upstream.dispatch(request, handler)
  return first.promise
}

/** The answer; fails if there is none. */
export function answerOr(outcome: RelayOutcome): UpstreamAnswer {
  if ('lost' in outcome) throw outcome.lost
  return outcome
}

function isStream(body: UpstreamRequest['body']): body is Readable {
  return body !== null && !Buffer.isBuffer(body)
}

/** RFC 9112 section 7.1.2: trailers go behind chunks, and nowhere else. */
function isChunkedTo(req: IncomingMessage, head: ResponseHead, method: string): boolean {
  return (
    Number.isNaN(head.length) &&
    method !== 'HEAD' &&
    head.status !== 204 &&
    head.status !== 304 &&
    req.httpVersionMinor > 0
  )
}

function switchedUnasked(origin: string): SidecarError {
  return upstreamFailure(origin, 'protocol', 'it switched to a protocol that nobody asked for')
}

function clientStalled(reason: string): SidecarError {
  return new SidecarError('request_timeout', `Cannot wait any longer for the client: ${reason}`)
}
