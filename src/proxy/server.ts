import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { SidecarError } from '../errors.ts'
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
  /** Cuts off whatever is still running. */
  readonly destroyConnections: () => void
}

export type ProxyServerOptions = {
  readonly handle: ProxyHandler
  readonly connect: ConnectHandler
  readonly recorder: Recorder
  readonly maxHeaderBytes: number
  /** From a connection, or the last answer on it, to the end of the next head. */
  readonly headersMs: number
  readonly keepAliveMs: number
  readonly maxConnections: number
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
    shouldUpgradeCallback: (req) => mayUpgrade(req) && isFree(req.socket),
  })
  // Beyond the limit there is an answer that says so; beyond twice the limit there is none.
  server.maxConnections = maxConnections * 2
  /** Those that are open, each with the answers that are still due on it, in their order. */
  const connections = new Map<Duplex, Set<ServerResponse>>()
  const surplus = new WeakSet<Duplex>()
  let isEnding = false

  server.on('connection', (socket) => {
    connections.set(socket, new Set())
    if (connections.size > maxConnections) surplus.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  const lastDue = (socket: Duplex): ServerResponse | undefined =>
    [...(connections.get(socket) ?? [])].at(-1)
  /** Behind an answer that is due, a wish to upgrade is ignored (RFC 9110 section 7.8 allows it). */
  const isFree = (socket: Duplex): boolean =>
    connections.get(socket)?.size === 0 && !surplus.has(socket) && !isLingering(socket)

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    const { socket } = req
    if (isLingering(socket)) return
    const due = connections.get(socket)
    due?.add(res)
    res.once('close', () => due?.delete(res))
    if (isEnding) res.shouldKeepAlive = false
    if (surplus.has(socket)) {
      const { failure, record } = countSurplus(req)
      res.shouldKeepAlive = false
      respondWithFailure(req, res, failure, record)
    } else void handle(req, res)
  }
  const countSurplus = ({ method = '' }: IncomingMessage) => {
    const failure = new SidecarError(
      'too_many_connections',
      `Cannot serve the request: more than ${maxConnections} connections are open`,
      { retryAfterMs: 1_000 },
    )
    const record = recorder.begin(method)
    recorder.fail(record, failure)
    recorder.end(record, failure.status)
    return { failure, record }
  }
  server.on('request', onRequest)
  // The answer to `Expect: 100-continue` is the handler's: it is due when the token is there.
  server.on('checkContinue', onRequest)
  // And what else is expected is refused there.
  server.on('checkExpectation', onRequest)

  server.on('upgrade', (req, _socket, early) => {
    const { socket } = req
    // node:http has let go of the socket, and with it of its errors, its end and its pace.
    socket.on('error', () => {})
    const res = new ServerResponse(req)
    res.shouldKeepAlive = false
    socket.on('drain', () => res.emit('drain'))
    socket.once('end', () => {
      if (!res.writableEnded) res.destroy()
    })
    res.once('finish', () => {
      res.detachSocket(socket)
      closeGently(socket)
    })
    res.assignSocket(socket)
    void handle(req, res, { socket, early })
  })
  server.on('connect', (req, socket, early) => {
    socket.on('error', () => {})
    const due = [...(connections.get(socket) ?? [])]
    const act = (): void => {
      if (isLingering(socket) || !socket.writable) return
      if (surplus.has(socket)) {
        const { failure, record } = countSurplus(req)
        refuse(socket, failure, record)
      } else void connect(req, socket, early)
    }
    const last = due.at(-1)
    if (last === undefined) act()
    else last.once('close', act)
    socket.on('drain', () => {
      for (const res of due) if (res.socket !== null) res.emit('drain')
    })
  })

  server.on('clientError', (error: ParserError, socket) => {
    if (isLingering(socket)) return
    const refuseIt = (): void => {
      const failure = parserFailure(error, maxHeaderBytes)
      const record = recorder.begin('')
      // A client that leaves in the middle of a head has asked for nothing.
      if (error.code !== 'ECONNRESET') recorder.end(record, recorder.fail(record, failure).status)
      refuse(socket, failure, record)
    }
    const last = lastDue(socket)
    if (last === undefined) refuseIt()
    else if (last.req.complete) last.once('close', refuseIt)
    else if (last.headersSent) socket.destroy()
    else refuseIt()
  })

  return {
    server,
    endConnections() {
      isEnding = true
      for (const socket of connections.keys()) {
        const last = lastDue(socket)
        if (last !== undefined) last.shouldKeepAlive = false
      }
      // For those whose head has gone out already and promised otherwise.
      server.keepAliveTimeout = 1
      server.keepAliveTimeoutBuffer = 0
    },
    destroyConnections() {
      for (const socket of connections.keys()) socket.destroy()
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

/** Whether what the parser stumbled over looks like a method (RFC 9110 section 9.1), and not like TLS. */
function startsLikeRequest({ rawPacket, bytesParsed = 0 }: ParserError): boolean {
  const text = rawPacket?.toString('latin1') ?? ''
  const line = text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)
  return /^[!#$%&'*+\-.^_`|~\dA-Za-z]+ /.test(line)
}
