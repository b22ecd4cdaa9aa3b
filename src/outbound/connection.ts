import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type BodyWriter, writeBody } from './body-writer.ts'
import { requestHead, type UpstreamRequest } from './request-writer.ts'
import type { ResponseHead } from './response-head.ts'
import { createResponseParser } from './response-parser.ts'
import { upstreamFailure } from './upstream-failure.ts'

/** What becomes of a request. After `onUpgrade`, the end or a failure nothing follows. */
export type ResponseHandler = {
  /** It goes out now. */
  readonly onStart: (control: RequestControl) => void
  /** Interim responses come first, if there are any (RFC 9110 section 15.2). */
  readonly onHead: (head: ResponseHead) => void
  readonly onData: (chunk: Buffer) => void
  /** `trailers` alternates names and values. */
  readonly onEnd: (trailers: readonly string[]) => void
  /** The connection is the handler's from now on, and paused. */
  readonly onUpgrade: (head: ResponseHead, socket: Duplex) => void
  /** There is no answer, or no more of it. */
  readonly onFailure: (error: unknown) => void
}

/** What a handler can do about its request, as long as it runs. */
export type RequestControl = {
  /** Whether the connection has been used before. */
  readonly isReused: boolean
  /** Until it is resumed nothing comes, not even what is here already. */
  readonly pause: () => void
  readonly resume: () => void
  readonly isPaused: () => boolean
  /** Breaks the connection off. */
  readonly abort: (error: unknown) => void
}

/** One connection to an upstream, for one request at a time. */
export type Connection = {
  /** Only while it is free. */
  readonly send: (request: UpstreamRequest, handler: ResponseHandler) => void
  /** For how many seconds the server keeps it when idle, as it said last; NaN if it did not. */
  readonly keepAliveSeconds: () => number
  /** Breaks it off; fails what runs. */
  readonly destroy: (error: unknown) => void
}

export type ConnectionOptions = {
  readonly origin: string
  /** The value of `Host` where the request has none. */
  readonly host: string
  readonly maxHeaderBytes: number
  /** Whether the first request is the last one, too. */
  readonly isForOne: boolean
  /** It can take another request. */
  readonly onFree: (connection: Connection) => void
  /** It is of no more use, or has become a tunnel. May be said more than once. */
  readonly onGone: (connection: Connection) => void
}

type Exchange = {
  readonly request: UpstreamRequest
  readonly handler: ResponseHandler
  /** Where it is a stream that has begun to be written. */
  body: BodyWriter | undefined
  /** Whether the connection can be used again when it is over. */
  mayReuse: boolean
}

const NOTHING = Buffer.alloc(0)

/** HTTP/1.1 on a socket that is connected (RFC 9112). Without pipelining. */
export function createConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { origin, host, maxHeaderBytes, isForOne, onFree, onGone } = options
  let current: Exchange | undefined
  let isReused = false
  let isPaused = false
  let isReading = false
  /** What has come, but is not to be read yet. */
  let unread: Buffer | undefined
  let hasEnded = false
  let keepAliveSeconds = Number.NaN
  let switched: ResponseHead | undefined

  const parser = createResponseParser(origin, maxHeaderBytes, {
    onHead(head) {
      if (current === undefined) return false
      const { status } = head
      if (status === 101 && current.request.upgrade !== undefined) {
        switched = head
        return true
      }
      // That nobody here has waited for it is no reason to refuse it (RFC 9110 section 15.2.1).
      if (status === 100) return false
      if (status >= 200) {
        current.mayReuse = head.isPersistent && current.request.upgrade === undefined
        keepAliveSeconds = head.keepAliveSeconds
      }
      current.handler.onHead(head)
      return false
    },
    onData: (chunk) => current?.handler.onData(chunk),
    onEnd: (trailers) => current?.handler.onEnd(trailers),
  })

  /** Nobody may take it for free in the time that it takes to close. */
  const leave = (): void => {
    socket.destroy()
    onGone(connection)
  }

  const breakOff = (error: unknown): void => {
    const exchange = current
    current = undefined
    unread = undefined
    parser.pause()
    leave()
    exchange?.body?.stop()
    exchange?.handler.onFailure(error)
  }

  const read = (chunk: Buffer): void => {
    let at: number
    isReading = true
    try {
      at = parser.read(chunk, 0)
    } catch (thrown) {
      breakOff(thrown)
      return
    } finally {
      isReading = false
    }
    if (current === undefined) return
    const hasMore = at < chunk.length
    if (switched !== undefined) handOver(current, switched, chunk.subarray(at))
    else if (parser.isIdle()) settle(current, hasMore)
    else if (hasMore) unread = chunk.subarray(at)
  }

  /** The response is over. */
  const settle = ({ body, mayReuse }: Exchange, hasMore: boolean): void => {
    current = undefined
    isReused = true
    // What is left of the request nobody waits for, and what is more than a response nobody asked for.
    const isClean = mayReuse && !hasMore && !hasEnded && body?.isDone() !== false
    if (!isClean || isForOne) {
      leave()
      body?.stop()
    } else onFree(connection)
  }

  const handOver = ({ handler }: Exchange, head: ResponseHead, early: Buffer): void => {
    current = undefined
    socket.pause()
    // Nobody else listens yet, and an error without a listener would end the process.
    socket.on('error', () => {})
    socket.off('data', onData)
    socket.off('end', onSocketEnd)
    socket.off('error', breakOff)
    socket.off('close', onClose)
    socket.off('drain', onDrain)
    if (early.length > 0) socket.unshift(early)
    onGone(connection)
    handler.onUpgrade(head, socket)
  }

  const write = (exchange: Exchange): void => {
    const { request } = exchange
    const { text, isChunked } = requestHead(request, host, isForOne)
    const { body } = request
    if (body === null) {
      socket.write(text, 'latin1')
      return
    }
    // The head goes out together with the first of the body: until then it may turn out to be none.
    socket.cork()
    socket.write(text, 'latin1')
    if (Buffer.isBuffer(body)) {
      socket.write(body)
      socket.uncork()
    } else {
      exchange.body = writeBody(body, socket, isChunked, (error) => {
        if (current === exchange) breakOff(error)
      })
    }
  }

  const controlOf = (exchange: Exchange): RequestControl => ({
    isReused,
    isPaused: () => isPaused,
    pause() {
      if (current !== exchange) return
      isPaused = true
      parser.pause()
      socket.pause()
    },
    resume() {
      if (current !== exchange || !isPaused) return
      isPaused = false
      parser.resume()
      socket.resume()
      if (isReading) return
      const chunk = unread ?? NOTHING
      unread = undefined
      // Also where nothing is unread: the end of the body may be all that is due.
      read(chunk)
      if (hasEnded && current === exchange && !isPaused) onSocketEnd()
    },
    abort(error) {
      if (current === exchange) breakOff(error)
    },
  })

  const onData = (chunk: Buffer): void => {
    // Whatever an upstream says unasked, it is not the answer to what comes next.
    if (current === undefined) leave()
    else read(chunk)
  }
  const onSocketEnd = (): void => {
    hasEnded = true
    // The end comes also on a socket that is paused, if nothing was before it. Whoever resumes sees it.
    if (current !== undefined && isPaused) return
    try {
      if (current !== undefined && parser.finish()) settle(current, false)
      else breakOff(closed())
    } catch (thrown) {
      breakOff(thrown)
    }
  }
  const onClose = (): void => breakOff(closed())
  const closed = () => upstreamFailure(origin, 'reset', 'the connection was closed')

  const onDrain = (): void => current?.body?.resume()
  socket.on('data', onData)
  socket.on('end', onSocketEnd)
  socket.on('error', breakOff)
  socket.on('close', onClose)
  socket.on('drain', onDrain)

  const connection: Connection = {
    send(request, handler) {
      const exchange: Exchange = { request, handler, body: undefined, mayReuse: false }
      current = exchange
      isPaused = false
      parser.expect(request.method)
      handler.onStart(controlOf(exchange))
      if (current === exchange) write(exchange)
    },
    keepAliveSeconds: () => keepAliveSeconds,
    destroy: breakOff,
  }
  return connection
}
