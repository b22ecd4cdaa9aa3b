import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import type { Duplex } from 'node:stream'
import { FAILURES, type FailureCode, SidecarError } from '../errors.ts'
import { problemDocument } from './respond.ts'
import type { ProxyHandler } from './handler.ts'

/** The HTTP/1.1 server that the application talks to. */
export function createProxyServer(
  handle: ProxyHandler,
  { maxHeaderBytes }: { readonly maxHeaderBytes: number },
): Server {
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    // Longer than clients keep idle connections, so that none is closed under a request.
    keepAliveTimeout: 75_000,
    headersTimeout: 60_000,
    // An upload may take as long as it makes progress.
    requestTimeout: 0,
    insecureHTTPParser: false,
  })
  // Where a request is being handled, the parser's complaint comes too late for an answer of its own.
  const busy = new WeakSet<Duplex>()
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    busy.add(req.socket)
    void handle(req, res).finally(() => busy.delete(req.socket))
  }
  server.on('request', onRequest)
  // The answer to `Expect: 100-continue` is the handler's: it is due when the token is there.
  server.on('checkContinue', onRequest)
  server.on('connect', (_req, socket) => {
    refuse(
      socket,
      'egress_denied',
      'Cannot open a tunnel: CONNECT is not supported, because a token can’t be added inside of it',
    )
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (busy.has(socket)) {
      socket.destroy()
      return
    }
    switch (error.code) {
      case 'HPE_HEADER_OVERFLOW': {
        refuse(
          socket,
          'headers_too_large',
          `Cannot read the request: its headers exceed ${maxHeaderBytes} bytes`,
        )
        break
      }
      case 'ERR_HTTP_REQUEST_TIMEOUT': {
        refuse(
          socket,
          'request_timeout',
          'Cannot read the request: its headers did not arrive in time',
        )
        break
      }
      default: {
        refuse(socket, 'request_invalid', 'Cannot read the request: it is not valid HTTP/1.1')
      }
    }
  })
  return server
}

/** Answers where there is no response object, and closes. */
function refuse(socket: Duplex, code: FailureCode, message: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const { status, proxyError } = FAILURES[code]
  const body = problemDocument(new SidecarError(code, message), {
    route: undefined,
    requestId: undefined,
  })
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `Proxy-Status: token-sidecar; error=${proxyError}; details="${code}"`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}
