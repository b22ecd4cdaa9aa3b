import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SidecarError } from '../errors.ts'
import type { InboundRequest, SwitchProtocols } from '../http/inbound-request.ts'
import type { OtherProtocol } from '../http/parser-failure.ts'
import type { Clock } from '../lib/clock.ts'
import type { Http2Metrics } from '../observe/http2-metrics.ts'
import { createClientErrorHandler } from './client-error.ts'
import type { ConnectHandler } from './connect.ts'
import type { PreparedHandshake } from './intercept.ts'
import { createInterceptedConnections } from './intercepted-connections.ts'
import { createServedOrigins, modeOf, type OriginConnection } from './served-origins.ts'
import type { ConnectionCount } from './connection-count.ts'
import { createConnections } from './connections.ts'
import type { Recorder } from '../exchange/exchange-record.ts'
import { createHalfClosedWatch } from './half-closed.ts'
import { createHttp2Server } from './http2-server.ts'
import type { ExchangeHandler } from '../exchange/handler.ts'
import { createHttp1ConnectHandler } from './http1-connect.ts'
import { http1Options } from './http1-options.ts'
import { createHttp1Request } from './http1-request.ts'
import { createHttp1ResponseWriter } from './http1-response-writer.ts'
import { isLingering } from './linger.ts'
import {
  createHttpListener,
  createSelectiveListener,
  type HttpListener,
  type ListenerTls,
} from './listener.ts'
import { acceptRedirected, type RedirectedService } from './accept-redirected.ts'
import type { RedirectedConnectionPolicy } from './redirected-connections.ts'
import { type FailureContext, sendFailure } from '../exchange/failure-response.ts'
import { createProtocolSwitch, createUpgradeResponse } from './upgrade.ts'

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
  /** A client has no certificate that `clientCa` accepts. */
  readonly rejectCertificate: (address: string | undefined) => void
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

/** What may be logged of a `Host` field. */
const PLAIN_HOST = /^[\w.:[\]-]{1,255}$/

/** The server that the application talks to: HTTP/1.1, and HTTP/2 with prior knowledge (RFC 9113 section 3.3). */
export function createProxyServer(options: ProxyServerOptions): ProxyServer {
  const { service, maxHeaderBytes, clock } = options
  const connections = createConnections(options.connectionCount)
  const watchHalfClosed = createHalfClosedWatch()
  /** Connections and streams that are, or may become, tunnels. */
  const tunnels = new Set<Duplex>()
  const origins = createServedOrigins()
  const intercepted = createInterceptedConnections({ connections, serve: serveOrigin })
  let ownMode: Parameters<typeof modeOf>[2] = 'base_url'
  let isEnding = false
  const httpOptions = http1Options(maxHeaderBytes, connections)
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
    if (opened !== undefined) closeUnlessRouted(req, res, opened)
    const inbound = createHttp1Request(req, res, {
      connection: opened ?? req.socket,
      mode: modeOf(req.url ?? '', opened?.origin, ownMode),
      switchProtocols,
    })
    return service().handle(inbound, createHttp1ResponseWriter(req, res))
  }
  /** A redirected connection is for the hosts of routes only; the response to another request is its last. */
  const closeUnlessRouted = (
    { headers: { host = '' } }: IncomingMessage,
    res: ServerResponse,
    { origin }: OriginConnection,
  ): void => {
    if (options.redirected === undefined || origin.host !== undefined) return
    if (service().redirected.namesHttpHost(host.toLowerCase())) return
    res.shouldKeepAlive = false
    options.redirected.onRejected('unknown_host', PLAIN_HOST.test(host) ? host : undefined)
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
    const res = createUpgradeResponse(req)
    addTunnel(socket)
    closeOnError(handle(req, res, createProtocolSwitch({ res, socket, early }, clock)), socket)
  })

  server.on(
    'connect',
    createHttp1ConnectHandler({
      handler: () => service().connect,
      connections,
      connectionOf: (req) => origins.of(req.socket) ?? req.socket,
      mode: () => modeOf('', undefined, ownMode),
      surplus,
      addTunnel,
      intercept,
      closeOnError,
    }),
  )

  server.on(
    'clientError',
    createClientErrorHandler({
      maxHeaderBytes,
      connections,
      count,
      serveHttp2(socket) {
        const opened = origins.of(socket)
        http2.serve(socket, {
          opened,
          mode: modeOf('/', opened?.origin, ownMode),
          refusal: connections.isSurplus(socket) ? tooManyConnections : undefined,
        })
      },
      onCertificateRejected: (address) => service().rejectCertificate(address),
      onOtherProtocol: options.onOtherProtocol,
    }),
  )

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

  function intercept(
    client: Duplex,
    connection: InboundRequest['connection'],
    handshake: PreparedHandshake,
  ): void {
    tunnels.delete(client)
    intercepted.intercept(client, connection, handshake)
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
      intercepted.closeIdle()
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
