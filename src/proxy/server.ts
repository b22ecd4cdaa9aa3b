import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import type { Duplex } from 'node:stream'
import { FAILURES, SidecarError } from '../errors.ts'
import { problemDocument } from './respond.ts'
import type { ProxyHandler } from './handler.ts'

export type ProxyServer = {
  readonly server: Server
  /** From now on every answer is the last on its connection. */
  endConnections(): void
}

/** The HTTP/1.1 server that the application talks to. */
export function createProxyServer(
  handle: ProxyHandler,
  { maxHeaderBytes }: { readonly maxHeaderBytes: number },
): ProxyServer {
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    // Longer than clients keep idle connections, so that none is closed under a request.
    keepAliveTimeout: 75_000,
    headersTimeout: 60_000,
    // An upload may take as long as it makes progress.
    requestTimeout: 0,
    insecureHTTPParser: false,
    // Refused in parseRequestTarget, with an explanation.
    requireHostHeader: false,
  })
  /** The exchange that each connection is busy with; of several in a row, the last. */
  const running = new Map<Duplex, ServerResponse>()
  let isEnding = false
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    running.set(req.socket, res)
    if (isEnding) res.shouldKeepAlive = false
    void handle(req, res).finally(() => {
      if (running.get(req.socket) === res) running.delete(req.socket)
    })
  }
  server.on('request', onRequest)
  // The answer to `Expect: 100-continue` is the handler's: it is due when the token is there.
  server.on('checkContinue', onRequest)
  server.on('connect', (_req, socket) => {
    refuse(
      socket,
      new SidecarError(
        'egress_denied',
        'Cannot open a tunnel: CONNECT is not supported, because a token can’t be added inside of it',
      ),
    )
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const failure = parserFailure(error, maxHeaderBytes)
    const exchange = running.get(socket)
    if (exchange === undefined) refuse(socket, failure)
    // Answers go out in the order of the requests.
    else if (exchange.req.complete) exchange.once('close', () => refuse(socket, failure))
    else if (exchange.headersSent) socket.destroy()
    else refuse(socket, failure)
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
  }
}

function parserFailure({ code }: NodeJS.ErrnoException, maxHeaderBytes: number): SidecarError {
  switch (code) {
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
    default: {
      return new SidecarError(
        'request_invalid',
        'Cannot read the request: it is not valid HTTP/1.1',
      )
    }
  }
}

/** Answers where there is no response object, and closes. */
function refuse(socket: Duplex, failure: SidecarError): void {
  // node:http has let go of the socket, and with it of its errors: here, that the client has left.
  socket.on('error', () => {})
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, proxyError } = FAILURES[failure.code]
  const body = problemDocument(failure, { route: undefined, requestId: undefined })
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `Proxy-Status: token-sidecar; error=${proxyError}; details="${failure.code}"`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}
