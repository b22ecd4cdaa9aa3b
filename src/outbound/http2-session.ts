import { type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Socket } from 'node:net'
import type { SidecarError } from '../errors.ts'
import { upstreamFailure, withRetry } from '../http/upstream-failure.ts'
import { isStreamed } from '../http/request-body.ts'
import type { RoundTrip, UpstreamRequest, UpstreamResponse } from '../http/round-trip.ts'
import type { Clock } from '../lib/clock.ts'
import {
  CLOSED,
  ENDED_EARLY,
  goawayFailure,
  isSessionError,
  malformed,
  sessionFailure,
  streamFailure,
} from './http2-failure.ts'
import {
  type Http2BodyWriter,
  http2RequestHead,
  type Http2Target,
  mayHaveTrailers,
  sendComplete,
  sendStreamed,
} from './http2-request.ts'
import { type Http2Response, receiveResponse } from './http2-response.ts'
import type { Http2Observer } from './http2-observer.ts'
import {
  ASSUMED_STREAMS,
  CONNECTION_WINDOW_BYTES,
  http2ClientOptions,
  MAX_STREAMS,
} from './http2-session-limits.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'
import { renewStreamTables } from '../lib/renew-stream-tables.ts'
import { addTo, type Listed, removeFrom } from '../lib/unordered-list.ts'
import { handleOf, retainHandle } from './retain-session-handle.ts'

/** One HTTP/2 connection to an upstream (RFC 9113). */
export type Http2Session = {
  /** To be called only while there is a free stream. */
  readonly send: RoundTrip
  readonly streams: () => number
  /** Whether another stream can be opened. */
  readonly hasFreeStream: () => boolean
  /** Whether anything but an acknowledged PING was received since the last call. */
  readonly takeActivity: () => boolean
  /** Calls back when the upstream has acknowledged a PING. */
  readonly ping: (onAcknowledged: () => void) => void
  /** Opens no more streams, and closes the connection when the open ones have finished. */
  readonly retire: () => void
  /** Closes the connection, and fails what is in progress. */
  readonly destroy: (failure: SidecarError) => void
  /** The same for a connection that is dead: nothing more is sent on it. */
  readonly abandon: (failure: SidecarError) => void
}

export type Http2SessionOptions = Http2Target & {
  readonly origin: string
  readonly maxHeaderBytes: number
  readonly clock: Clock
  readonly observer: Http2Observer
  /** A stream was closed, or more streams are allowed. */
  readonly onStreamFree: () => void
  /** No more streams can be opened. */
  readonly onRetired: () => void
  /** The connection is closed. */
  readonly onClosed: () => void
}

type Exchange = Listed & {
  readonly request: UpstreamRequest
  readonly stream: ClientHttp2Stream
  readonly response: Http2Response
  body: Http2BodyWriter | undefined
  /** Stops listening to the request's signal. */
  readonly release: () => void
  isOver: boolean
  streamError: unknown
}

/** HTTP/2 on a connected socket. To be called before anything can be read from it. */
export function createHttp2Session(socket: Socket, options: Http2SessionOptions): Http2Session {
  const { origin, maxHeaderBytes, clock, observer, onStreamFree, onRetired, onClosed } = options
  const exchanges: Exchange[] = []
  let maxStreams = ASSUMED_STREAMS
  let isRetired = false
  let isLost = false
  let isActive = true
  /** Whether the upstream has completed a response on this connection before. */
  let isReused = false
  let goaway: { readonly code: number; readonly lastStreamId: number } | undefined

  // Before Node's own listeners, which close all streams as if they had been cancelled.
  socket.on('close', () => {
    isLost = true
  })
  // The upstream cannot respond any more; Node does not close a half-open connection.
  socket.on('end', () => socket.destroy())

  const session = connect(origin, {
    ...http2ClientOptions(maxHeaderBytes),
    createConnection: () => socket,
  })
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
  const renewTables = renewStreamTables(session)
  const handle = handleOf(session)
  observer.sessionOpened()

  const stopOpening = (): void => {
    if (isRetired) return
    isRetired = true
    onRetired()
  }
  // Each exchange reports it.
  session.on('error', () => {})
  session.on('close', () => {
    isLost = true
    observer.sessionClosed()
    stopOpening()
    onClosed()
  })
  session.on('goaway', (code, lastStreamId) => {
    isActive = true
    goaway = { code, lastStreamId }
    observer.goaway('received', code)
    stopOpening()
  })
  session.on('remoteSettings', ({ maxConcurrentStreams }) => {
    isActive = true
    maxStreams = Math.min(maxConcurrentStreams ?? MAX_STREAMS, MAX_STREAMS)
    onStreamFree()
  })

  const fail = (exchange: Exchange, failure: SidecarError): void => {
    if (exchange.isOver) return
    exchange.isOver = true
    exchange.release()
    if (failure.retry === 'always') exchange.body?.detach()
    else exchange.body?.stop()
    exchange.response.fail(failure)
  }

  const cancel = (exchange: Exchange, code: number, failure: SidecarError): void => {
    if (exchange.isOver) return
    fail(exchange, failure)
    resetStream(exchange.stream, code)
  }

  const resetStream = (stream: ClientHttp2Stream, code: number): void => {
    // Within a callback of nghttp2, Node delays RST_STREAM; if it then asks for trailers, it aborts the process.
    setImmediate(() => {
      if (stream.destroyed) return
      if (stream.closed) {
        // By the upstream: Node would keep the stream until all of it has been read.
        stream.destroy()
        return
      }
      observer.reset('sent', code)
      stream.resume()
      stream.close(code)
    })
  }

  const onStreamClose = (exchange: Exchange): void => {
    removeFrom(exchanges, exchange)
    observer.streamClosed()
    if (session.destroyed) retainHandle(handle, exchange.stream)
    if (!exchange.isOver && !exchange.response.onStreamClosed()) {
      fail(exchange, closeFailure(exchange))
    }
    onStreamFree()
  }

  /** Why the stream was closed although its response is not complete. */
  const closeFailure = ({ stream, streamError, response }: Exchange): SidecarError => {
    const { id = 0, rstCode } = stream
    // RFC 9113 section 6.8: it has not been processed.
    if (goaway !== undefined && id > goaway.lastStreamId) {
      return withRetry(goawayFailure(origin, goaway.code), 'always')
    }
    if (!isLost && !session.destroyed && rstCode !== constants.NGHTTP2_NO_ERROR) {
      observer.reset('received', rstCode)
      return streamFailure(origin, rstCode)
    }
    const failure =
      goaway !== undefined && goaway.code !== constants.NGHTTP2_NO_ERROR
        ? goawayFailure(origin, goaway.code)
        : isSessionError(streamError)
          ? sessionFailure(origin, streamError)
          : upstreamFailure(origin, 'reset', isLost ? CLOSED : ENDED_EARLY)
    return withRetryIfStale(failure, response)
  }

  /** The upstream may have closed the idle connection just before the request arrived. */
  const withRetryIfStale = (failure: SidecarError, { isUntouched }: Http2Response): SidecarError =>
    isReused && failure.code === 'upstream_reset' && isUntouched()
      ? withRetry(failure, 'if idempotent')
      : failure

  const failAll = (failure: SidecarError): void => {
    for (const exchange of exchanges) fail(exchange, withRetryIfStale(failure, exchange.response))
  }

  const complete = (exchange: Exchange): void => {
    exchange.isOver = true
    isReused = true
    exchange.release()
    // RFC 9113 section 8.1: the upstream has responded without the rest of the request.
    if (exchange.body?.isDone() === false) {
      exchange.body.stop()
      resetStream(exchange.stream, constants.NGHTTP2_CANCEL)
    }
  }

  const open = (request: UpstreamRequest): ClientHttp2Stream => {
    const { body } = request
    const { headers, hasLength } = http2RequestHead(request, options)
    return session.request(headers, {
      endStream: body === null,
      waitForTrailers: mayHaveTrailers(body, hasLength),
    })
  }

  const send = (request: UpstreamRequest, signal: AbortSignalLike): Promise<UpstreamResponse> => {
    const stream = open(request)
    const onAbort = (): void =>
      cancel(exchange, constants.NGHTTP2_CANCEL, sessionFailure(origin, signal.reason))
    const response = receiveResponse(request, stream, {
      maxHeaderBytes,
      clock,
      onMalformed: (why) =>
        cancel(exchange, constants.NGHTTP2_PROTOCOL_ERROR, malformed(origin, why)),
      onCancel: () =>
        cancel(exchange, constants.NGHTTP2_CANCEL, upstreamFailure(origin, 'reset', CLOSED)),
      onActivity() {
        isActive = true
      },
      onComplete: () => complete(exchange),
    })
    const exchange: Exchange = {
      request,
      stream,
      response,
      body: undefined,
      release: () => signal.removeEventListener('abort', onAbort),
      at: 0,
      isOver: false,
      streamError: undefined,
    }
    addTo(exchanges, exchange)
    renewTables()
    observer.streamOpened()
    // An error without a listener would end the process.
    stream.on('error', (error) => {
      exchange.streamError = error
    })
    stream.on('close', () => onStreamClose(exchange))
    signal.addEventListener('abort', onAbort)
    request.onSend()
    const { body } = request
    if (isStreamed(body)) {
      exchange.body = sendStreamed(body, stream, (error) =>
        cancel(exchange, constants.NGHTTP2_CANCEL, sessionFailure(origin, error)),
      )
    } else if (body !== null) sendComplete(body, stream)
    return response.promise
  }

  return {
    send(request, signal) {
      try {
        return send(request, signal)
      } catch (thrown) {
        // Node refuses to send a field.
        return Promise.reject(sessionFailure(origin, thrown))
      }
    },
    streams: () => exchanges.length,
    hasFreeStream: () => !isRetired && exchanges.length < maxStreams,
    takeActivity() {
      const wasActive = isActive
      isActive = false
      return wasActive
    },
    ping(onAcknowledged) {
      if (session.destroyed) return
      session.ping((error) => {
        if (error === null) onAcknowledged()
      })
    },
    retire() {
      if (isRetired) return
      stopOpening()
      observer.goaway('sent', constants.NGHTTP2_NO_ERROR)
      session.close()
    },
    destroy(failure) {
      stopOpening()
      failAll(failure)
      session.destroy()
    },
    abandon(failure) {
      stopOpening()
      failAll(failure)
      socket.destroy()
    },
  }
}
