import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'

/** PEM texts. */
export type ListenerTls = {
  readonly cert: string
  readonly key: string
  /** Where set, only clients with a certificate that one of these has issued are served. */
  readonly ca: string | undefined
}

/** The HTTP/1.1 server of a listener, with or without TLS. */
export type HttpListener = {
  readonly server: Server | TlsServer
  /** The event of a connection that is ready for HTTP. */
  readonly connectionEvent: 'connection' | 'secureConnection' | typeof HTTP_CONNECTION
  /** For connections that are accepted from now on. */
  readonly setTls: (tls: ListenerTls) => void
}

/** Not an event of Node. */
const HTTP_CONNECTION = 'http'

/** An HTTP/1.1 server that serves only those of its connections for which `connectionEvent` is emitted. */
export function createSelectiveListener(options: ServerOptions): HttpListener {
  const server = createServer(options)
  const listeners = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on(HTTP_CONNECTION, (socket) => {
    for (const listener of listeners) Reflect.apply(listener, server, [socket])
  })
  return { server, connectionEvent: HTTP_CONNECTION, setTls() {} }
}

export function createHttpListener(
  options: ServerOptions,
  tls: ListenerTls | undefined,
  handshakeTimeoutMs: number,
): HttpListener {
  if (tls === undefined) {
    return { server: createServer(options), connectionEvent: 'connection', setTls() {} }
  }
  const server = createTlsServer({
    ...options,
    ...contextOf(tls),
    // A client that negotiates h2 begins with the preface, as one with prior knowledge does.
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: tls.ca !== undefined,
    rejectUnauthorized: true,
  })
  // Not before: Node would never close a connection that ends within the handshake.
  server.on('secureConnection', (socket) => {
    socket.allowHalfOpen = true
  })
  return {
    server,
    connectionEvent: 'secureConnection',
    setTls: (changed) => server.setSecureContext(contextOf(changed)),
  }
}

/** Explicitly, because the environment may lower the default of Node. */
function contextOf({ cert, key, ca }: ListenerTls) {
  return { cert, key, ...(ca !== undefined && { ca }), minVersion: 'TLSv1.2' as const }
}
