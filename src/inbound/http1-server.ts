import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SidecarError } from '../errors.ts'
import type { SwitchProtocols } from '../http/inbound-request.ts'
import {
  handshakeFailure,
  hasLeft,
  isConnectionError,
  otherProtocol,
  type OtherProtocol,
  type ParserError,
  parserFailure,
} from '../http/parser-failure.ts'
import type { Clock } from '../lib/clock.ts'
import { noteFault } from './client-gone.ts'
import type { Http2Metrics } from '../observe/http2-metrics.ts'
import type { ConnectHandler } from './connect.ts'
import { createConnections } from './connections.ts'
import type { Recorder } from '../exchange/exchange-record.ts'
import { createHalfClosedWatch } from './half-closed.ts'
import { readHttp1Head } from '../http/request-head.ts'
import { beginsWithPreface, detachFromHttp1 } from './http2-handover.ts'
import { createHttp2Server } from './http2-server.ts'
import { refuse, refuseTunnel } from './refuse.ts'
import type { ExchangeHandler } from '../exchange/handler.ts'
import { createHttp1Request } from './http1-request.ts'
import { createHttp1ResponseWriter } from './http1-response-writer.ts'
import { closeGently, isLingering } from './linger.ts'
import { createHttpListener, type HttpListener, type ListenerTls } from './listener.ts'
import { type FailureContext, sendFailure } from '../exchange/failure-response.ts'
import { createProtocolSwitch, mayUpgrade } from './upgrade.ts'

export type ProxyServer = {
  readonly server: HttpListener['server']
  readonly setTls: HttpListener['setTls']
  setLimits(limits: ConnectionLimits): void
  /** From now on every answer is the last on its connection. */
  endConnections(): void
  /** Cuts off upgraded connections and tunnels. */
  readonly destroyTunnels: () => void
  /** Cuts off whatever is still running. */
  readonly destroyConnections: () => void
}

/** Times are milliseconds. */
type ConnectionLimits = {
  /** From a connection, or the last answer on it, to the end of the next head. */
  readonly headersTimeout: number
  readonly keepAlive: number
  readonly connections: number
  /** Connections beyond these that get a response that says so; further ones are closed at once. */
  readonly surplusConnections: number
}

type ProxyService = {
  readonly handle: ExchangeHandler
  readonly connect: ConnectHandler
  /** For what never gets to either of them. */
  readonly recorder: Recorder
}

export type ProxyServerOptions = {
  /** Who serves the next request. */
  readonly service: () => ProxyService
  /** Undefined for a listener without TLS. */
  readonly tls?: ListenerTls | undefined
  readonly maxHeaderBytes: number
  readonly limits: ConnectionLimits
  /** A client spoke something else than HTTP/1. */
  readonly onOtherProtocol?: (protocol: OtherProtocol) => void
  readonly http2Metrics: Http2Metrics
  readonly clock: Clock
}

const NOBODY: FailureContext = { route: undefined, requestId: undefined }

/** Slow clients are looked for this often. */
const CHECK_MS = 1_000

/** The server that the application talks to: HTTP/1.1, and HTTP/2 with prior knowledge (RFC 9113 section 3.3). */
export function createProxyServer(options: ProxyServerOptions): ProxyServer {
  const { service, maxHeaderBytes, onOtherProtocol, clock } = options
  const connections = createConnections()
  const watchHalfClosed = createHalfClosedWatch()
  /** Those that are, or may become, something else than HTTP. */
  const tunnels = new Set<Duplex>()
  /** Those on which the parser has given up. */
  const broken = new WeakSet<Duplex>()
  /** Those that the HTTP/2 server serves. */
  const handedOver = new WeakSet<Duplex>()
  let isEnding = false
  const httpOptions = {
    maxHeaderSize: maxHeaderBytes,
    connectionsCheckingInterval: CHECK_MS,
    // An upload may take as long as it makes progress.
    requestTimeout: 0,
    insecureHTTPParser: false,
    // Else a request without a body costs as much in events as one that has one.
    optimizeEmptyRequests: true,
    // Refused in parseRequestTarget, with an explanation.
    requireHostHeader: false,
    // Behind an answer that is due the wish is ignored, as RFC 9110 section 7.8 allows.
    shouldUpgradeCallback: (req: IncomingMessage) =>
      mayUpgrade(req) &&
      !isLingering(req.socket) &&
      req.socket.writable &&
      !connections.isSurplus(req.socket) &&
      connections.lastDue(req.socket) === undefined,
  }
  const { server, connectionEvent, setTls } = createHttpListener(
    httpOptions,
    options.tls,
    options.limits.headersTimeout,
  )
  const addTunnel = (socket: Duplex): void => {
    tunnels.add(socket)
    socket.once('close', () => tunnels.delete(socket))
  }
  const http2 = createHttp2Server({
    service,
    maxHeaderBytes,
    keepAliveMs: options.limits.keepAlive,
    metrics: options.http2Metrics,
    watchHalfClosed,
    count,
    addTunnel,
  })
  const setLimits = (limits: ConnectionLimits): void => {
    server.headersTimeout = limits.headersTimeout
    if (!isEnding) server.keepAliveTimeout = limits.keepAlive
    http2.setKeepAlive(limits.keepAlive)
    connections.limit(limits.connections)
    server.maxConnections = limits.connections + limits.surplusConnections
  }
  setLimits(options.limits)
  // Else node:http ends a connection as soon as its client does, whatever response is due.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on(connectionEvent, (socket: Socket) => {
    connections.opened(socket)
    socket.once('end', () => {
      const last = connections.lastDue(socket)
      if (last === undefined || isLingering(socket)) return
      if (!last.headersSent) last.shouldKeepAlive = false
      watchHalfClosed(socket, {
        isDue: () => connections.lastDue(socket) !== undefined,
        canWrite: true,
      })
    })
  })

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req
    if (isLingering(socket) || !socket.writable) return
    if (isEnding) res.shouldKeepAlive = false
    connections.next(req, res, serve)
  }
  const handle = (
    req: IncomingMessage,
    res: ServerResponse,
    switchProtocols?: SwitchProtocols,
  ): Promise<void> =>
    service().handle(
      createHttp1Request(req, res, switchProtocols),
      createHttp1ResponseWriter(req, res),
    )
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    if (connections.isSurplus(req.socket)) {
      res.shouldKeepAlive = false
      sendFailure(createHttp1ResponseWriter(req, res), ...surplus(req))
    } else settle(handle(req, res), req.socket)
  }
  server.on('request', onRequest)
  // The answer to `Expect: 100-continue` is the handler's: it is due when the token is there.
  server.on('checkContinue', onRequest)
  // And what else is expected is refused there.
  server.on('checkExpectation', onRequest)

  server.on('upgrade', (req, _stream, early) => {
    const { socket } = req
    // node:http has let go of the socket, and with it of its errors, its end and its pace.
    socket.on('error', () => {})
    const res = new ServerResponse(req)
    res.shouldKeepAlive = false
    socket.on('drain', () => res.emit('drain'))
    // A connection that the client has half-closed is of no use for another protocol.
    socket.once('end', () => {
      if (!res.writableEnded) res.destroy()
    })
    res.once('finish', () => {
      res.detachSocket(socket)
      closeGently(socket)
    })
    res.assignSocket(socket)
    addTunnel(socket)
    settle(handle(req, res, createProtocolSwitch({ res, socket, early }, clock)), socket)
  })

  server.on('connect', (req, socket, early) => {
    socket.on('error', () => {})
    if (isLingering(socket) || !socket.writable) return
    // Whoever sends it before all answers are there does not get them: node:http has let go.
    if (connections.lastDue(socket) !== undefined) socket.destroy()
    else if (connections.isSurplus(socket)) refuseTunnel(socket, ...surplus(req))
    else {
      addTunnel(socket)
      const work = service().connect({
        head: readHttp1Head(req),
        client: socket,
        early,
        accept: () => void socket.write('HTTP/1.1 200 Connection Established\r\n\r\n'),
        refuse: (failure, context) => refuseTunnel(socket, failure, context),
      })
      settle(work, socket)
    }
  })

  server.on('clientError', (error: ParserError, socket) => {
    if (!connections.has(socket)) {
      // The client may have left, or may not trust the certificate.
      if (!hasLeft(error)) count('', handshakeFailure(error))
      socket.destroy()
      return
    }
    // node:http still expects a request on it, and reports that none arrives.
    if (handedOver.has(socket)) return
    // Once is enough: node:http says it again for each packet that follows.
    if (isLingering(socket) || broken.has(socket)) return
    if (beginsWithPreface(error, socket)) {
      handedOver.add(socket)
      detachFromHttp1(socket, error)
      http2.serve(socket, connections.isSurplus(socket) ? tooManyConnections : undefined)
      return
    }
    broken.add(socket)
    // The request has had its response; there is nothing that another could answer.
    if (connections.isDraining(socket)) {
      socket.destroy()
      return
    }
    const failure = parserFailure(error, maxHeaderBytes)
    const protocol = otherProtocol(error)
    if (protocol !== undefined) onOtherProtocol?.(protocol)
    const last = connections.lastDue(socket)
    if (last !== undefined && !last.req.complete) {
      // The handler records it; after a reset there is no response that the record has to agree with.
      if (!isConnectionError(error)) noteFault(last.req, failure)
      if (last.headersSent) socket.destroy()
      else refuse(socket, failure, NOBODY)
      return
    }
    const refuseIt = (): void => {
      // Whoever leaves in the middle of a head has asked for nothing.
      const record = hasLeft(error) ? NOBODY : count('', failure)
      refuse(socket, failure, record)
    }
    if (last === undefined) refuseIt()
    else last.once('close', refuseIt)
  })

  /** Why a connection too many is not served; counted. */
  function surplus({ method = '' }: IncomingMessage) {
    const failure = tooManyConnections()
    return [failure, count(method, failure)] as const
  }

  function count(method: string, thrown: unknown): FailureContext {
    const { recorder } = service()
    const record = recorder.begin(method)
    recorder.end(record, recorder.fail(record, thrown).status)
    return record
  }

  /** A fault of ours costs its connection, and no more. */
  function settle(work: Promise<void>, socket: Duplex): void {
    work.catch((thrown: unknown) => {
      count('', thrown)
      socket.destroy()
    })
  }

  return {
    server,
    setTls,
    setLimits,
    endConnections() {
      isEnding = true
      http2.endSessions()
      for (const socket of connections.all()) {
        const last = connections.lastDue(socket)
        if (last !== undefined) last.shouldKeepAlive = false
      }
      // For those whose head has gone out already and promised otherwise.
      server.keepAliveTimeout = 1
      server.keepAliveTimeoutBuffer = 0
    },
    destroyTunnels() {
      for (const socket of tunnels) socket.destroy()
    },
    destroyConnections() {
      for (const socket of connections.all()) socket.destroy()
    },
  }
}

function tooManyConnections(): SidecarError {
  return new SidecarError(
    'too_many_connections',
    'Cannot serve the request: too many connections are open',
    { retryAfterMs: 1_000 },
  )
}
