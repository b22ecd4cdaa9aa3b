import type { Socket } from 'node:net'
import type { SidecarError } from '../errors.ts'
import type { UpstreamRequest, UpstreamResponse } from '../http/round-trip.ts'
import { isRequestedUpgrade } from '../http/upgrade-field.ts'
import type { Clock } from '../lib/clock.ts'
import { isStreamed } from '../http/request-body.ts'
import { type BodyWriter, writeBody, writeComplete } from './body-writer.ts'
import type { EndOfData } from './connector.ts'
import { createPendingResponse, type PendingResponse, type Reading } from './pending-response.ts'
import { requestHead } from './request-writer.ts'
import type { ResponseHead } from './response-head.ts'
import { createResponseParser } from './response-parser.ts'
import { toUpstreamFailure, upstreamFailure, withRetry } from '../http/upstream-failure.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/** One connection to an upstream, for one request at a time. */
export type Connection = {
  /** To be called only while the connection is idle. */
  readonly send: (request: UpstreamRequest, signal: AbortSignalLike) => Promise<UpstreamResponse>
  /** The idle timeout that the server announced last; NaN if it did not. */
  readonly keepAliveSeconds: () => number
  /** Closes it, and fails the request in progress. */
  readonly destroy: (error: unknown) => void
}

export type ConnectionOptions = {
  readonly origin: string
  /** The value of `Host` where the request has none. */
  readonly host: string
  readonly maxHeaderBytes: number
  readonly end: EndOfData
  /** Called for the first response, and for each close-delimited one (RFC 9112 section 6.3). */
  readonly onFraming: (isCloseDelimited: boolean) => void
  /** Whether the connection is closed after its first request. */
  readonly dedicated: boolean
  readonly clock: Clock
  /** It can take another request. */
  readonly onIdle: (connection: Connection) => void
  /** It is closed, or has become a tunnel. May be called more than once. */
  readonly onClosed: (connection: Connection) => void
}

type Exchange = {
  readonly request: UpstreamRequest
  readonly response: PendingResponse
  /** Stops listening to the request's signal. */
  readonly release: () => void
  /** A streamed request body. */
  body: BodyWriter | undefined
  canReuse: boolean
  isCloseDelimited: boolean
  trailers: readonly string[]
}

const EMPTY = Buffer.alloc(0)

/** Over TLS each record is a separate read, however small. */
const MAX_READS_PER_TURN = 64

/** HTTP/1.1 on a connected socket (RFC 9112), without pipelining. */
export function createConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { origin, host, maxHeaderBytes, end, dedicated, clock } = options
  const { onFraming, onIdle, onClosed } = options
  let current: Exchange | undefined
  let isReused = false
  /** Whether parsing is paused, and whether the socket is paused as well. */
  let isPaused = false
  let isStopped = false
  let isReading = false
  /** Received but not parsed yet. */
  let unread: Buffer | undefined
  /** Whether reading continues in the next turn of the event loop. */
  let isDeferred = false
  let readsInTurn = 0
  let hasEnded = false
  let keepAliveSeconds = Number.NaN
  let switched: ResponseHead | undefined

  const parser = createResponseParser(origin, maxHeaderBytes, {
    onHead(head) {
      if (current === undefined) return false
      const { request, response } = current
      const { status } = head
      if (status === 101) {
        if (!isRequestedUpgrade(head.fields, request.upgrade)) throw unrequestedSwitch(origin)
        switched = head
        return true
      }
      // A client that did not ask for a 100 must be able to ignore it (RFC 9110 section 15.2.1).
      if (status === 100) return false
      if (status < 200) response.onInterim(head)
      else {
        current.canReuse = head.isPersistent && request.upgrade === undefined
        keepAliveSeconds = head.keepAliveSeconds
        current.isCloseDelimited = isCloseDelimited(request, head)
        if (current.isCloseDelimited || !isReused) noteFraming(current)
        if (current !== undefined) response.onHead(head)
      }
      return false
    },
    onData: (chunk) => current?.response.onData(chunk),
    onEnd(trailers) {
      if (current !== undefined) current.trailers = trailers
    },
  })

  /** Reported as closed immediately, so that the pool does not use it while it closes. */
  const close = (): void => {
    socket.destroy()
    onClosed(connection)
  }

  /** Sends buffered data, and over TLS the closure alert (RFC 9112 section 9.8), before it closes. */
  const closeCleanly = (): void => {
    socket.destroySoon()
    onClosed(connection)
  }

  const fail = (error: unknown): void => {
    const exchange = current
    current = undefined
    unread = undefined
    parser.pause()
    if (exchange === undefined) {
      closeCleanly()
      return
    }
    close()
    exchange.release()
    const failure = toUpstreamFailure(origin, error)
    const isLost = failure.code === 'upstream_reset' || failure.code === 'upstream_protocol'
    if (isLost && !isSent(exchange)) {
      exchange.body?.detach()
      exchange.response.onFailure(withRetry(failure, 'always'))
      return
    }
    exchange.body?.stop()
    // The server may have closed the idle connection just before the request arrived (RFC 9112 section 9.3.1).
    const isStale =
      failure.retry === undefined &&
      isReused &&
      failure.code === 'upstream_reset' &&
      exchange.response.isUntouched()
    exchange.response.onFailure(isStale ? withRetry(failure, 'if idempotent') : failure)
  }

  /** Whether any of the request was sent: its head waits for the first part of a streamed body. */
  const isSent = ({ body }: Exchange): boolean => body === undefined || body.hasBegun()

  const noteFraming = (exchange: Exchange): void => {
    if (exchange.isCloseDelimited || exchange.canReuse) onFraming(exchange.isCloseDelimited)
    if (!exchange.isCloseDelimited || end.means !== 'tls, not verified') return
    // No part of it has been forwarded, and the end of another connection can be verified.
    if (exchange.request.repeatable) fail(withRetry(unverifiableEnd(), 'if idempotent'))
  }

  const read = (chunk: Buffer): void => {
    let at: number
    isReading = true
    try {
      at = parser.read(chunk, 0)
    } catch (thrown) {
      fail(thrown)
      return
    } finally {
      isReading = false
    }
    if (current === undefined) return
    const hasMore = at < chunk.length
    if (switched !== undefined) handOver(current, switched, chunk.subarray(at))
    else if (parser.isIdle()) complete(current, hasMore)
    else if (hasMore) {
      unread = chunk.subarray(at)
      // Unless reading is paused, the parser has done as much as one turn may take.
      if (!isPaused) defer(current)
    }
  }

  /** Lets other connections be served before more is read. */
  const defer = (exchange: Exchange): void => {
    if (isDeferred) return
    isDeferred = true
    stopSocket()
    setImmediate(() => {
      isDeferred = false
      if (current === exchange && !isPaused) readOn(exchange)
    })
  }

  /** Parses what was received before, and only then lets the socket receive more. */
  const readOn = (exchange: Exchange): void => {
    const chunk = unread ?? EMPTY
    unread = undefined
    // Also without unread data: the end of the body may be due.
    read(chunk)
    if (current !== exchange || isPaused || isDeferred) return
    startSocket()
    if (hasEnded) onSocketEnd()
  }

  const complete = (
    { body, canReuse, release, response, trailers }: Exchange,
    hasMore: boolean,
  ): void => {
    current = undefined
    isReused = true
    release()
    startSocket()
    // Surplus data, and a request body that the upstream did not wait for, end the connection.
    const isClean = canReuse && !hasMore && !hasEnded && body?.isDone() !== false
    if (!isClean || dedicated) {
      if (body?.isDone() === false) close()
      else closeCleanly()
      body?.stop()
    } else onIdle(connection)
    response.onEnd(trailers)
  }

  const handOver = ({ response, release }: Exchange, head: ResponseHead, early: Buffer): void => {
    current = undefined
    release()
    socket.pause()
    // Until the tunnel listens: an error without a listener would end the process.
    socket.on('error', () => {})
    socket.off('data', onData)
    socket.off('end', onSocketEnd)
    socket.off('error', fail)
    socket.off('close', onClose)
    socket.off('drain', onDrain)
    if (early.length > 0) socket.unshift(early)
    onClosed(connection)
    response.onUpgrade(head, socket)
  }

  const write = (exchange: Exchange): void => {
    const { request } = exchange
    const { text, isChunked } = requestHead(request, host, dedicated)
    const { body } = request
    if (body === null) {
      socket.write(text, 'latin1')
      return
    }
    // The head and the first part of the body leave in one packet.
    socket.cork()
    socket.write(text, 'latin1')
    if (!isStreamed(body)) {
      writeComplete(body, socket, isChunked)
      socket.uncork()
    } else {
      exchange.body = writeBody(body, socket, isChunked, (error) => {
        if (current === exchange) fail(error)
      })
    }
  }

  const startSocket = (): void => {
    if (isStopped) socket.resume()
    isStopped = false
  }

  const stopSocket = (): void => {
    isStopped = true
    socket.pause()
  }

  const readingOf = (exchange: () => Exchange): Reading => ({
    hold() {
      isPaused = true
      parser.pause()
    },
    pause() {
      if (current !== exchange()) return
      isPaused = true
      parser.pause()
      stopSocket()
    },
    resume() {
      if (current !== exchange() || !isPaused) return
      isPaused = false
      parser.resume()
      if (isDeferred) return
      if (isReading) startSocket()
      else readOn(exchange())
    },
    close() {
      if (current === exchange()) fail(connectionClosed())
    },
  })

  const onData = (chunk: Buffer): void => {
    // Unsolicited data is never the response to the next request (RFC 9112 section 9.2).
    if (current === undefined) close()
    else if (isPaused || isDeferred) {
      unread = unread === undefined ? chunk : Buffer.concat([unread, chunk])
      stopSocket()
    } else if (!isSent(current)) fail(unsolicited())
    else {
      read(chunk)
      readsInTurn += 1
      if (readsInTurn < MAX_READS_PER_TURN) return
      readsInTurn = 0
      if (current !== undefined && !isPaused) defer(current)
    }
  }
  const unsolicited = (): SidecarError =>
    upstreamFailure(origin, 'protocol', 'it sent data before the request was sent')
  const onSocketEnd = (): void => {
    hasEnded = true
    // A paused socket reports the end if no data precedes it; `resume` looks again.
    if (current !== undefined && (isPaused || isDeferred)) return
    try {
      if (current?.isCloseDelimited === true && !end.isAuthentic()) fail(unverifiableEnd())
      else if (current !== undefined && parser.finish()) complete(current, false)
      else fail(connectionClosed())
    } catch (thrown) {
      fail(thrown)
    }
  }
  const onClose = (): void => fail(connectionClosed())
  const connectionClosed = (): SidecarError => upstreamFailure(origin, 'reset', 'connection closed')

  const unverifiableEnd = (): SidecarError =>
    upstreamFailure(origin, 'reset', 'the connection ended without a TLS closure alert')

  const onDrain = (): void => current?.body?.resume()
  socket.on('data', onData)
  socket.on('end', onSocketEnd)
  socket.on('error', fail)
  socket.on('close', onClose)
  socket.on('drain', onDrain)

  const connection: Connection = {
    send(request, signal) {
      const onAbort = (): void => {
        if (current === exchange) fail(signal.reason)
      }
      const exchange: Exchange = {
        request,
        response: createPendingResponse(
          request,
          readingOf(() => exchange),
          clock,
        ),
        release: () => signal.removeEventListener('abort', onAbort),
        body: undefined,
        canReuse: false,
        isCloseDelimited: false,
        trailers: [],
      }
      current = exchange
      isPaused = false
      parser.expect(request.method)
      if (signal.aborted) fail(signal.reason)
      else {
        signal.addEventListener('abort', onAbort)
        request.onSend()
        write(exchange)
      }
      return exchange.response.promise
    },
    keepAliveSeconds: () => keepAliveSeconds,
    destroy: fail,
  }
  return connection
}

/** RFC 9112 section 6.3. */
function isCloseDelimited(
  { method }: UpstreamRequest,
  { status, length, isChunked }: ResponseHead,
): boolean {
  if (isChunked || !Number.isNaN(length)) return false
  return method !== 'HEAD' && status !== 204 && status !== 304
}

function unrequestedSwitch(origin: string): SidecarError {
  return upstreamFailure(origin, 'protocol', 'it switched to a protocol that was not requested')
}
