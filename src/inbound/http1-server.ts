import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SidecarError } from '../errors.ts'
import type { InboundRequest, SwitchProtocols } from '../http/inbound-request.ts'
import {
  handshakeFailure,
  isDisconnect,
  isConnectionError,
  otherProtocol,
  type OtherProtocol,
  type ParserError,
  parserFailure,
} from '../http/parser-failure.ts'
import type { Clock } from '../lib/clock.ts'
import { setAbortReason } from './abort-reason.ts'
import type { Http2Metrics } from '../observe/http2-metrics.ts'
import type { ConnectHandler } from './connect.ts'
import type { PreparedHandshake } from './intercept.ts'
import { createServedOrigins, modeOf, type OriginConnection } from './served-origins.ts'
import type { ConnectionCount } from './connection-count.ts'
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
import {
  createHttpListener,
  createSelectiveListener,
  type HttpListener,
  type ListenerTls,
} from './listener.ts'
import { acceptRedirected, type RedirectedService } from './accept-redirected.ts'
import type { RedirectedConnectionPolicy } from './redirected-connections.ts'
import { type FailureContext, sendFailure } from '../exchange/failure-response.ts'
import { createProtocolSwitch, mayUpgrade } from './upgrade.ts'

export type ProxyServer = {
  readonly server: HttpListener['server']
  readonly setTls: HttpListener['setTls']
  /** Serves a connection that another server has accepted. */
  readonly serve: (socket: Duplex, connection: OriginConnection) => void
  readonly setTimeouts: (timeouts: ConnectionTimeouts) => void
  /** Closes each connection after its pending response, or when its streams have finished. */
  endConnections(): void
  /** Closes upgraded connections and tunnels at once. */
  readonly destroyTunnels: () => void
  /** Closes all connections at once. */
  readonly destroyConnections: () => void
}

/** Times are milliseconds. */
type ConnectionTimeouts = {
  /** From the start of a connection, or its last response, to the end of the next request head. */
  readonly headersTimeout: number
  readonly keepAlive: number
}

export type ProxyService = {
  readonly handle: ExchangeHandler
  readonly connect: ConnectHandler
  readonly redirected: RedirectedService
  /** For requests that neither of them handles. */
  readonly recorder: Recorder
}

export type ProxyServerOptions = {
  /** What serves the next request; a reload changes it. */
  readonly service: () => ProxyService
  /** Undefined for a listener without TLS. */
  readonly tls?: ListenerTls | undefined
  /** For a listener that connections to other hosts are redirected to. */
  readonly redirected?: RedirectedConnectionPolicy | undefined
  readonly maxHeaderBytes: number
  readonly timeouts: ConnectionTimeouts
  /** Shared by all listeners. */
  readonly connectionCount: ConnectionCount
  /** Called when a client speaks another protocol than HTTP. */
  readonly onOtherProtocol?: (protocol: OtherProtocol) => void
  readonly http2Metrics: Http2Metrics
  readonly clock: Clock
}

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n'

const NO_CONTEXT: FailureContext = { route: undefined, requestId: undefined }

/** How often `headersTimeout` is checked. */
const CHECK_INTERVAL_MS = 1_000

/** The server that the application talks to: HTTP/1.1, and HTTP/2 with prior knowledge (RFC 9113 section 3.3). */
export function createProxyServer(options: ProxyServerOptions): ProxyServer {
  const { service, maxHeaderBytes, onOtherProtocol, clock } = options
  const connections = createConnections(options.connectionCount)
  const watchHalfClosed = createHalfClosedWatch()
  /** Connections and streams that are, or may become, tunnels. */
  const tunnels = new Set<Duplex>()
  /** Connections on which the parser has failed. */
  const failed = new WeakSet<Duplex>()
  /** Connections that the HTTP/2 server serves. */
  const handedOver = new WeakSet<Duplex>()
  const origins = createServedOrigins()
  /** Clients in a TLS handshake, each with a function that closes its connection if nothing was received. */
  const handshaking = new Map<Duplex, () => void>()
  let ownMode: Parameters<typeof modeOf>[2] = 'base_url'
  let isEnding = false
  const httpOptions = {
    maxHeaderSize: maxHeaderBytes,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    // An upload may take as long as it makes progress.
    requestTimeout: 0,
    insecureHTTPParser: false,
    // Emits no events for the bodies of requests that have none.
    optimizeEmptyRequests: true,
    // A missing Host is refused in parseRequestTarget, with an explanation.
    requireHostHeader: false,
    // While a response is pending, Upgrade is ignored, as RFC 9110 section 7.8 allows.
    shouldUpgradeCallback: (req: IncomingMessage) =>
      mayUpgrade(req) &&
      !isLingering(req.socket) &&
      req.socket.writable &&
      !connections.isSurplus(req.socket) &&
      connections.pendingResponse(req.socket) === undefined,
  }
  const { server, connectionEvent, setTls } =
    options.redirected === undefined
      ? createHttpListener(httpOptions, options.tls, options.timeouts.headersTimeout)
      : createSelectiveListener(httpOptions)
  const addTunnel = (socket: Duplex): void => {
    tunnels.add(socket)
    socket.once('close', () => tunnels.delete(socket))
  }
  const http2 = createHttp2Server({
    service,
    maxHeaderBytes,
    keepAliveMs: options.timeouts.keepAlive,
    metrics: options.http2Metrics,
    watchHalfClosed,
    count,
    addTunnel,
    intercept,
  })
  const setTimeouts = ({ headersTimeout, keepAlive }: ConnectionTimeouts): void => {
    server.headersTimeout = headersTimeout
    if (!isEnding) server.keepAliveTimeout = keepAlive
    http2.setKeepAlive(keepAlive)
  }
  setTimeouts(options.timeouts)
  options.connectionCount.addServer(server)
  // Otherwise node:http closes a half-closed connection before a pending response is sent.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.once('listening', () => {
    if (typeof server.address() === 'string') ownMode = 'unix_socket'
  })
  server.on(connectionEvent, (socket: Socket) => {
    connections.opened(socket)
    socket.once('end', () => {
      const last = connections.pendingResponse(socket)
      if (last === undefined || isLingering(socket)) return
      if (!last.headersSent) last.shouldKeepAlive = false
      watchHalfClosed(socket, {
        isDue: () => connections.pendingResponse(socket) !== undefined,
        canWrite: true,
      })
    })
  })

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req
    if (isLingering(socket) || !socket.writable) return
    if (isEnding) res.shouldKeepAlive = false
    connections.enqueue(req, res, serve)
  }
  const handle = (
    req: IncomingMessage,
    res: ServerResponse,
    switchProtocols?: SwitchProtocols,
  ): Promise<void> => {
    const opened = origins.of(req.socket)
    opened?.onUsed()
    const inbound = createHttp1Request(req, res, {
      connection: opened ?? req.socket,
      mode: modeOf(req.url ?? '', opened?.origin, ownMode),
      switchProtocols,
    })
    return service().handle(inbound, createHttp1ResponseWriter(req, res))
  }
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    if (connections.isSurplus(req.socket)) {
      res.shouldKeepAlive = false
      sendFailure(createHttp1ResponseWriter(req, res), ...surplus(req))
    } else closeOnError(handle(req, res), req.socket)
  }
  server.on('request', onRequest)
  // The handler sends 100 (Continue) when it has a token.
  server.on('checkContinue', onRequest)
  // The handler refuses other expectations.
  server.on('checkExpectation', onRequest)

  server.on('upgrade', (req, _stream, early) => {
    const { socket } = req
    // node:http has detached the socket: errors, its end and backpressure are handled here.
    socket.on('error', () => {})
    const res = new ServerResponse(req)
    res.shouldKeepAlive = false
    socket.on('drain', () => res.emit('drain'))
    // A half-closed connection cannot be upgraded.
    socket.once('end', () => {
      if (!res.writableEnded) res.destroy()
    })
    res.once('finish', () => {
      res.detachSocket(socket)
      closeGently(socket)
    })
    res.assignSocket(socket)
    addTunnel(socket)
    closeOnError(handle(req, res, createProtocolSwitch({ res, socket, early }, clock)), socket)
  })

  server.on('connect', (req, socket, early) => {
    socket.on('error', () => {})
    if (isLingering(socket) || !socket.writable) return
    // Pending responses to pipelined requests are lost, because node:http has detached the socket.
    if (connections.pendingResponse(socket) !== undefined) socket.destroy()
    else if (connections.isSurplus(socket)) refuseTunnel(socket, ...surplus(req))
    else {
      addTunnel(socket)
      const head = readHttp1Head(req)
      const connection = origins.of(socket) ?? req.socket
      const work = service().connect({
        head,
        mode: modeOf('', undefined, ownMode),
        connection,
        client: socket,
        early,
        accept: () => void socket.write(ESTABLISHED),
        intercept(handshake) {
          socket.write(ESTABLISHED)
          if (early.length > 0) socket.unshift(early)
          const { remoteAddress, localPort } = req.socket
          intercept(socket, { remoteAddress, localPort, openedBy: { head, connection } }, handshake)
        },
        refuse: (failure, context) => refuseTunnel(socket, failure, context),
      })
      closeOnError(work, socket)
    }
  })

  server.on('clientError', (error: ParserError, socket) => {
    if (!connections.has(socket)) {
      // The client may have left, or may not trust the certificate.
      if (!isDisconnect(error)) count('', handshakeFailure(error))
      socket.destroy()
      return
    }
    // node:http still expects a request on it, and reports that none arrives.
    if (handedOver.has(socket)) return
    // node:http reports it again for each packet that follows.
    if (isLingering(socket) || failed.has(socket)) return
    if (beginsWithPreface(error, socket)) {
      handedOver.add(socket)
      detachFromHttp1(socket, error)
      http2.serve(socket, {
        opened: origins.of(socket),
        mode: modeOf('/', origins.of(socket)?.origin, ownMode),
        refusal: connections.isSurplus(socket) ? tooManyConnections : undefined,
      })
      return
    }
    failed.add(socket)
    // The response to this request has been sent, so the error cannot be reported.
    if (connections.isDraining(socket)) {
      socket.destroy()
      return
    }
    const failure = parserFailure(error, maxHeaderBytes)
    const protocol = otherProtocol(error)
    if (protocol !== undefined) onOtherProtocol?.(protocol)
    const last = connections.pendingResponse(socket)
    if (last !== undefined && !last.req.complete) {
      // The handler records it; after a reset there is no response that the record has to agree with.
      if (!isConnectionError(error)) setAbortReason(last.req, failure)
      if (last.headersSent) socket.destroy()
      else refuse(socket, failure, NO_CONTEXT)
      return
    }
    const respond = (): void => {
      // A client that disconnects within a request head has sent no request to record.
      const record = isDisconnect(error) ? NO_CONTEXT : count('', failure)
      refuse(socket, failure, record)
    }
    if (last === undefined) respond()
    else last.once('close', respond)
  })

  const redirected =
    options.redirected &&
    acceptRedirected(server, {
      policy: options.redirected,
      service: () => service().redirected,
      connections,
      serve: serveOrigin,
      intercept: (client, handshake) => intercept(client, client, handshake),
      clock,
    })

  /** The connection inside of the tunnel is served like one to the listener, until it closes. */
  function intercept(
    client: Duplex,
    { remoteAddress, localPort, openedBy }: InboundRequest['connection'],
    handshake: PreparedHandshake,
  ): void {
    tunnels.delete(client)
    const closeIdle = handshake.begin(client, ({ secure, origin, onUsed }) => {
      handshaking.delete(client)
      connections.openedWithin(secure)
      serveOrigin(secure, { remoteAddress, localPort, encrypted: true, origin, openedBy, onUsed })
    })
    if (client.destroyed) return
    handshaking.set(client, closeIdle)
    client.once('close', () => handshaking.delete(client))
    if (isEnding) closeIdle()
  }

  function serveOrigin(socket: Duplex, connection: OriginConnection): void {
    origins.add(socket, connection)
    server.emit(connectionEvent, socket)
  }

  /** Records the failure of a request on a connection beyond the limit. */
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

  /** An internal error closes its connection. */
  function closeOnError(work: Promise<void>, socket: Duplex): void {
    work.catch((thrown: unknown) => {
      count('', thrown)
      socket.destroy()
    })
  }

  return {
    server,
    setTls,
    serve: serveOrigin,
    setTimeouts,
    endConnections() {
      isEnding = true
      http2.endSessions()
      redirected?.closeIdle()
      for (const closeIdle of handshaking.values()) closeIdle()
      for (const socket of connections.all()) {
        const last = connections.pendingResponse(socket)
        if (last !== undefined) last.shouldKeepAlive = false
      }
      // For responses whose head has been sent without Connection: close.
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
