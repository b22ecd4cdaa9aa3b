import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { SidecarError } from '../errors.ts'
import type { FailureContext } from '../exchange/failure-response.ts'
import type { InboundRequest } from '../http/inbound-request.ts'
import { readHttp1Head } from '../http/request-head.ts'
import type { IntegrationMode } from '../lib/integration-mode.ts'
import type { ConnectHandler } from './connect.ts'
import type { Connections } from './connections.ts'
import type { PreparedHandshake } from './intercept.ts'
import { isLingering } from './linger.ts'
import { refuseTunnel } from './refuse.ts'

export type Http1ConnectOptions = {
  /** What handles the next request. */
  readonly handler: () => ConnectHandler
  readonly connections: Pick<Connections, 'isSurplus' | 'pendingResponse'>
  readonly connectionOf: (req: IncomingMessage) => InboundRequest['connection']
  /** How the application uses the listener. */
  readonly mode: () => IntegrationMode
  /** The failure of a request on a connection beyond the limit. */
  readonly surplus: (req: IncomingMessage) => readonly [SidecarError, FailureContext]
  /** For a connection that becomes a tunnel. */
  readonly addTunnel: (client: Duplex) => void
  readonly intercept: (
    client: Duplex,
    connection: InboundRequest['connection'],
    handshake: PreparedHandshake,
  ) => void
  readonly closeOnError: (work: Promise<void>, socket: Duplex) => void
}

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n'

/** Handles the `connect` event of node:http: `CONNECT` over HTTP/1.1. */
export function createHttp1ConnectHandler(
  options: Http1ConnectOptions,
): (req: IncomingMessage, socket: Duplex, early: Buffer) => void {
  const { handler, connections, connectionOf, mode, surplus, addTunnel, intercept } = options
  return (req, socket, early) => {
    socket.on('error', () => {})
    if (isLingering(socket) || !socket.writable) return
    // Pending responses to pipelined requests are lost, because node:http has detached the socket.
    if (connections.pendingResponse(socket) !== undefined) {
      socket.destroy()
      return
    }
    if (connections.isSurplus(socket)) {
      refuseTunnel(socket, ...surplus(req))
      return
    }
    addTunnel(socket)
    const head = readHttp1Head(req)
    const connection = connectionOf(req)
    const work = handler()({
      head,
      mode: mode(),
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
    options.closeOnError(work, socket)
  }
}
