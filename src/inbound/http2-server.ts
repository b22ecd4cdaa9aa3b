import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Duplex } from 'node:stream'
import { SidecarError } from '../errors.ts'
import type { ExchangeHandler } from '../exchange/handler.ts'
import { type FailureContext, sendFailure } from '../exchange/failure-response.ts'
import type { InboundRequest } from '../http/inbound-request.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { IntegrationMode } from '../lib/integration-mode.ts'
import type { Http2Metrics } from '../observe/http2-metrics.ts'
import { renewStreamTables } from '../lib/renew-stream-tables.ts'
import { addTo, type Listed, removeFrom } from '../lib/unordered-list.ts'
import type { ConnectHandler } from './connect.ts'
import type { HalfClosedWatch } from './half-closed.ts'
import { CONNECTION_WINDOW_BYTES, http2Options } from './http2-limits.ts'
import { createHttp2Request, readHttp2Head } from './http2-request.ts'
import { createHttp2ResponseWriter } from './http2-response-writer.ts'
import { LINGER_MS, limitLinger } from './linger.ts'
import type { PreparedHandshake } from './intercept.ts'
import type { OriginConnection } from './served-origins.ts'

export type Http2Server = {
  /** Serves a connection whose buffered input begins with the connection preface. */
  readonly serve: (socket: Socket, served: ServedConnection) => void
  readonly setKeepAlive: (keepAliveMs: number) => void
  /** Sends GOAWAY on every connection; each closes when its streams have finished. */
  readonly endSessions: () => void
}

type ServedConnection = {
  /** Undefined for a connection to the sidecar itself. */
  readonly opened: OriginConnection | undefined
  /** How the application uses the listener. */
  readonly mode: IntegrationMode
  /** Where it is defined, each request gets that response. */
  readonly refusal: (() => SidecarError) | undefined
}

export type Http2ServerOptions = {
  /** What serves the next request. */
  readonly service: () => { readonly handle: ExchangeHandler; readonly connect: ConnectHandler }
  readonly maxHeaderBytes: number
  /** How long a connection without streams is kept. */
  readonly keepAliveMs: number
  readonly metrics: Http2Metrics
  readonly watchHalfClosed: HalfClosedWatch
  /** Counts a failure of a request that reaches no handler. */
  readonly count: (method: string, thrown: unknown) => FailureContext
  /** For a connection that becomes a tunnel. */
  readonly addTunnel: (client: Duplex) => void
  readonly intercept: (
    client: Duplex,
    connection: InboundRequest['connection'],
    handshake: PreparedHandshake,
  ) => void
}

type ServedStream = Pick<ServedConnection, 'mode' | 'refusal'> & {
  readonly connection: InboundRequest['connection']
  readonly onReset: (code: number) => void
}

type OpenStream = Listed & {
  readonly stream: ServerHttp2Stream
  /** The error code of the RST_STREAM frame that was sent; 0 for none. */
  resetCode: number
}

/** How long a client may take to acknowledge the announcement that its connection will end. */
const SHUTDOWN_NOTICE_MS = 1_000

/** RFC 9113 section 6.8: the last stream identifier of a GOAWAY that announces another. */
const LAST_STREAM_ID = 2 ** 31 - 1

/** Error codes with which nghttp2, not the client, resets a stream. */
const SENT_BY_US: ReadonlySet<number> = new Set([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_STREAM_CLOSED,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_ENHANCE_YOUR_CALM,
  constants.NGHTTP2_REFUSED_STREAM,
])

/** The HTTP/2 server that the application talks to. Its connections are accepted by another server. */
export function createHttp2Server(options: Http2ServerOptions): Http2Server {
  const { service, maxHeaderBytes, metrics, watchHalfClosed, count, addTunnel, intercept } = options
  /** With the function that closes each, when its streams have finished. */
  const sessions = new Map<ServerHttp2Session, () => void>()
  const sessionOptions = http2Options(maxHeaderBytes)
  let { keepAliveMs } = options
  let isEnding = false

  const serve: Http2Server['serve'] = (socket, { opened, mode, refusal }) => {
    const session = performServerHandshake(socket, sessionOptions)
    const connection: InboundRequest['connection'] = opened ?? {
      remoteAddress: socket.remoteAddress,
      localPort: socket.localPort,
      encrypted: session.encrypted,
      getPeerX509Certificate: () =>
        socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined,
    }
    const renewTables = renewStreamTables(session)
    const streams: OpenStream[] = []
    let isTimeoutDue = false
    const onTimeout = (): void => {
      if (streams.length > 0) isTimeoutDue = true
      else {
        metrics.goaway('sent', constants.NGHTTP2_NO_ERROR)
        close()
      }
    }
    const close = (): void => {
      session.close()
      // Node waits for the rest of a header section, which may never arrive.
      const timer = setTimeout(() => {
        if (streams.length === 0) session.destroy()
      }, LINGER_MS)
      timer.unref()
      session.once('close', () => clearTimeout(timer))
    }
    const startTimeout = (): void => session.setTimeout(keepAliveMs, onTimeout)

    session.on('error', (error: unknown) => metrics.goaway('sent', errorCode(error)))
    session.on('goaway', (code) => metrics.goaway('received', code))
    session.once('close', () => {
      sessions.delete(session)
      metrics.sessionClosed()
    })
    session.on('stream', (stream, _headers, _flags, fields) => {
      const open: OpenStream = { stream, resetCode: 0, at: 0 }
      addTo(streams, open)
      renewTables()
      opened?.onUsed()
      metrics.streamOpened()
      // Without a listener, a reset by the client would end the process.
      stream.on('error', () => {})
      stream.once('close', () => {
        removeFrom(streams, open)
        metrics.streamClosed()
        const { rstCode } = stream
        // The end of the connection resets its streams without a frame.
        const isReset = rstCode !== 0 && !socket.destroyed && !session.destroyed
        if (isReset && rstCode !== open.resetCode) {
          metrics.reset(SENT_BY_US.has(rstCode) ? 'sent' : 'received', rstCode)
        }
        if (streams.length > 0 || session.closed) return
        if (socket.readableEnded) close()
        else if (isTimeoutDue) {
          isTimeoutDue = false
          startTimeout()
        }
      })
      const onReset = (code: number): void => {
        open.resetCode = code
        metrics.reset('sent', code)
      }
      serveStream(stream, fields, { connection, mode, refusal, onReset })
    })
    socket.once('end', () => {
      // The missing part of their requests cannot arrive any more.
      for (const { stream } of streams) {
        if (stream.state.remoteClose !== 1) stream.destroy()
      }
      if (streams.length === 0) close()
      // Only an empty write would tell whether a Unix socket is half-closed or closed, and HTTP/2 has no
      // use for a half-closed connection. node:http2 aborts the process when the socket of a session
      // is written to.
      else if (socket.remoteAddress === undefined) socket.destroy()
      else {
        watchHalfClosed(socket, { isDue: () => streams.length > 0, canWrite: false })
        // Without further WINDOW_UPDATE frames, a blocked response remains blocked.
        const timer = setInterval(() => {
          for (const { stream } of streams) if (stream.writableEnded) stream.destroy()
        }, LINGER_MS)
        timer.unref()
        session.once('close', () => clearInterval(timer))
      }
    })
    socket.once('finish', () => limitLinger(socket))
    sessions.set(session, close)
    metrics.sessionOpened()
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    startTimeout()
    if (isEnding) endSession(session, close)
  }

  function serveStream(
    stream: ServerHttp2Stream,
    fields: readonly string[],
    served: ServedStream,
  ): void {
    const { connection, mode, refusal, onReset } = served
    let head: RequestHead
    try {
      head = readHttp2Head(stream, fields, maxHeaderBytes)
      if (refusal !== undefined) throw refusal()
    } catch (failure) {
      refuseStream(stream, fields, failure, onReset)
      return
    }
    const writer = createHttp2ResponseWriter(stream, head, onReset)
    const work =
      head.method === 'CONNECT'
        ? openTunnel(stream, head, served)
        : service().handle(createHttp2Request(stream, head, connection, mode), writer)
    work.catch((thrown: unknown) => {
      count('', thrown)
      onReset(constants.NGHTTP2_INTERNAL_ERROR)
      stream.destroy(new Error('internal error'))
    })
  }

  /** RFC 9113 section 8.5. */
  async function openTunnel(
    stream: ServerHttp2Stream,
    head: RequestHead,
    { connection, mode, onReset }: ServedStream,
  ): Promise<void> {
    addTunnel(stream)
    await service().connect({
      head,
      connection,
      // A tunnel is what clients use a proxy for.
      mode: mode === 'base_url' ? 'http_proxy' : mode,
      client: stream,
      early: Buffer.alloc(0),
      accept(upstream) {
        upstream.once('error', () => {
          if (stream.closed) return
          onReset(constants.NGHTTP2_CONNECT_ERROR)
          stream.close(constants.NGHTTP2_CONNECT_ERROR)
        })
        // Only a stream that waits for trailers is not ended by close().
        stream.once('wantTrailers', () => stream.sendTrailers({}))
        stream.respond([':status', '200'], { waitForTrailers: true })
      },
      intercept(handshake) {
        stream.once('wantTrailers', () => stream.sendTrailers({}))
        stream.respond([':status', '200'], { waitForTrailers: true })
        intercept(stream, { ...connection, openedBy: { head, connection } }, handshake)
      },
      refuse: (failure, context) =>
        sendFailure(createHttp2ResponseWriter(stream, head, onReset), failure, context),
    })
  }

  function refuseStream(
    stream: ServerHttp2Stream,
    fields: readonly string[],
    thrown: unknown,
    onReset: (code: number) => void,
  ): void {
    const method = fields[fields.indexOf(':method') + 1] ?? ''
    const failure =
      thrown instanceof SidecarError
        ? thrown
        : new SidecarError('internal_error', 'Cannot handle the request', { cause: thrown })
    const request = { method, hasBody: !stream.endAfterHeaders }
    sendFailure(
      createHttp2ResponseWriter(stream, request, onReset),
      failure,
      count(method, failure),
    )
  }

  /**
   * RFC 9113 section 6.8: announces the end, so that the client opens no more streams, and sends the
   * last stream identifier after a round trip, so that none that it has opened meanwhile is lost.
   */
  function endSession(session: ServerHttp2Session, close: () => void): void {
    if (session.closed || session.destroyed) return
    session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM_ID)
    metrics.goaway('sent', constants.NGHTTP2_NO_ERROR)
    const timer = setTimeout(close, SHUTDOWN_NOTICE_MS)
    timer.unref()
    session.once('close', () => clearTimeout(timer))
    session.ping(close)
  }

  return {
    serve,
    setKeepAlive(ms) {
      keepAliveMs = ms
    },
    endSessions() {
      isEnding = true
      for (const [session, close] of sessions) endSession(session, close)
    },
  }
}

/** The code of the GOAWAY frame with which node:http2 ends a connection. */
function errorCode(error: unknown): number {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES'
    ? constants.NGHTTP2_ENHANCE_YOUR_CALM
    : constants.NGHTTP2_PROTOCOL_ERROR
}
