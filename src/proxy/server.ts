import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SidecarError } from '../errors.ts'
import { noteFault } from './client-gone.ts'
import type { ConnectHandler } from './connect.ts'
import type { Recorder } from './exchange-record.ts'
import type { ProxyHandler } from './handler.ts'
import { closeGently, isLingering } from './linger.ts'
import { refuse } from './refuse.ts'
import { respondWithFailure } from './respond.ts'
import { mayUpgrade } from './upgrade.ts'

export type ProxyServer = {
  readonly server: Server
  /** From now on every answer is the last on its connection. */
  endConnections(): void
  /** Cuts off upgraded connections and tunnels. */
  readonly destroyTunnels: () => void
  /** Cuts off whatever is still running. */
  readonly destroyConnections: () => void
  setLimits(limits: ConnectionLimits): void
}

/** Times are milliseconds. */
type ConnectionLimits = {
  /** From a connection, or the last answer on it, to the end of the next head. */
  readonly headersTimeout: number
  readonly keepAlive: number
  readonly connections: number
}

export type ProxyServerOptions = {
  readonly handle: ProxyHandler
  readonly connect: ConnectHandler
  /** For what never gets to either of them. */
  readonly recorder: () => Recorder
  readonly limits: ConnectionLimits & { readonly headers: number }
}

/** Slow clients are looked for this often. */
const CHECK_MS = 1_000

/** The HTTP/1.1 server that the application talks to. */
export function createProxyServer(options: ProxyServerOptions): ProxyServer {
  const { handle, connect, recorder, maxHeaderBytes, maxConnections } = options
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    keepAliveTimeout: options.keepAliveMs,
    headersTimeout: options.headersMs,
    connectionsCheckingInterval: CHECK_MS,
    // An upload may take as long as it makes progress.
    requestTimeout: 0,
    insecureHTTPParser: false,
    // Refused in parseRequestTarget, with an explanation.
    requireHostHeader: false,
    shouldUpgradeCallback: mayUpgrade,
  })
  // Beyond the limit there is an answer that says so; beyond twice the limit there is none.
  server.maxConnections = maxConnections * 2
  const connections = new Set<Socket>()
  const surplus = new WeakSet<Duplex>()
  /** The exchange that each connection is busy with; of several in a row, the last. */
  const running = new Map<Duplex, ServerResponse>()
  let isEnding = false

  server.on('connection', (socket) => {
    connections.add(socket)
    if (connections.size > maxConnections) surplus.add(socket)
    socket.once('close', () => connections.delete(socket))
  })

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req
    if (isLingering(socket)) return
    if (isEnding) res.shouldKeepAlive = false
    afterRunning(socket, () => {
      if (surplus.has(socket)) refuseSurplus(req, res)
      else
        settle(socket, handle(req, res), () => {
          if (running.get(socket) === res) running.delete(socket)
        })
    })
    running.set(socket, res)
  }
  /**
   * RFC 9112 section 9.3.2: requests in a row are done in a row, because a later one may build upon
   * what an earlier one does, and answers go out in their order.
   */
  const afterRunning = (socket: Duplex, act: () => void): void => {
    const exchange = running.get(socket)
    if (exchange === undefined || exchange.closed) act()
    else
      exchange.once('close', () => {
        if (!socket.destroyed) act()
      })
  }
  /** A fault of ours costs its connection, and no more. */
  const settle = (socket: Duplex, work: Promise<void>, afterwards = (): void => {}): void => {
    void work
      .catch((thrown: unknown) => {
        const record = recorder.begin('')
        recorder.end(record, recorder.fail(record, thrown).status)
        socket.destroy()
      })
      .finally(afterwards)
  }
  const refuseSurplus = (req: IncomingMessage, res: ServerResponse): void => {
    const failure = new SidecarError(
      'too_many_connections',
      `Cannot serve the request: more than ${maxConnections} connections are open`,
      { retryAfterMs: 1_000 },
    )
    const record = recorder.begin(req.method ?? '')
    recorder.fail(record, failure)
    res.shouldKeepAlive = false
    respondWithFailure(req, res, failure, record)
    recorder.end(record, failure.status)
  }
  server.on('request', onRequest)
  // The answer to `Expect: 100-continue` is the handler's: it is due when the token is there.
  server.on('checkContinue', onRequest)
  // And what else is expected is refused there.
  server.on('checkExpectation', onRequest)

  server.on('upgrade', (req, socket, early) => {
    // node:http has let go of the socket, and with it of its errors: that the client has left.
    socket.on('error', () => {})
    afterRunning(socket, () => {
      const res = new ServerResponse(req)
      res.shouldKeepAlive = false
      res.once('finish', () => {
        res.detachSocket(req.socket)
        closeGently(req.socket)
      })
      res.assignSocket(req.socket)
      settle(socket, handle(req, res, { socket: req.socket, early }))
    })
  })
  server.on('connect', (req, socket, early) => {
    socket.on('error', () => {})
    afterRunning(socket, () => settle(socket, connect(req, socket, early)))
  })

  server.on('clientError', (error: ParserError, socket) => {
    if (isLingering(socket)) return
    const failure = parserFailure(error, maxHeaderBytes)
    const exchange = running.get(socket)
    if (exchange !== undefined && !exchange.req.complete) {
      // It is recorded when whoever handles it finds out.
      if (!hasLeft(error)) noteFault(exchange.req, failure)
      if (exchange.headersSent) socket.destroy()
      else refuse(socket, failure, { route: undefined, requestId: undefined })
      return
    }
    afterRunning(socket, () => {
      const record = recorder.begin('')
      // Whoever leaves in the middle of a head has asked for nothing.
      if (!hasLeft(error)) recorder.end(record, recorder.fail(record, failure).status)
      refuse(socket, failure, record)
    })
  })

  return {
    server,
    endConnections() {
      isEnding = true
      for (const res of running.values()) res.shouldKeepAlive = false
      // For those whose head has gone out already and promised otherwise.
      server.keepAliveTimeout = 1
      server.keepAliveTimeoutBuffer = 0
    },
    destroyConnections() {
      for (const socket of connections) socket.destroy()
    },
  }
}

type ParserError = NodeJS.ErrnoException & {
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

function parserFailure(error: ParserError, maxHeaderBytes: number): SidecarError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW': {
      return new SidecarError(
        'headers_too_large',
        `Cannot read the request: its headers exceed ${maxHeaderBytes} bytes`,
      )
    }
    case 'ERR_HTTP_REQUEST_TIMEOUT': {
      return new SidecarError(
        'request_timeout',
        'Cannot read the request: its headers did not arrive in time',
      )
    }
    case 'HPE_INVALID_METHOD': {
      if (!startsLikeRequest(error)) break
      return new SidecarError(
        'method_not_supported',
        'Cannot read the request: its method is not known here',
      )
    }
    default:
    // Whatever else it is, it is said below.
  }
  return new SidecarError('request_invalid', 'Cannot read the request: it is not valid HTTP/1.1')
}

/** Whether it was no more than the end of the connection. */
function hasLeft({ code }: ParserError): boolean {
  return code === 'ECONNRESET' || code === 'HPE_INVALID_EOF_STATE'
}

/** Whether what the parser stumbled over looks like a method (RFC 9110 section 9.1), and not like TLS. */
function startsLikeRequest({ rawPacket, bytesParsed = 0 }: ParserError): boolean {
  const text = rawPacket?.toString('latin1') ?? ''
  const line = text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)
  return /^[!#$%&'*+\-.^_`|~\dA-Za-z]+ /.test(line)
}
