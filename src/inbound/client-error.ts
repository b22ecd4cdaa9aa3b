import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { FailureContext } from '../exchange/failure-response.ts'
import {
  handshakeFailure,
  isConnectionError,
  isDisconnect,
  otherProtocol,
  type OtherProtocol,
  type ParserError,
  parserFailure,
} from '../http/parser-failure.ts'
import { setAbortReason } from './abort-reason.ts'
import type { Connections } from './connections.ts'
import { beginsWithPreface, detachFromHttp1 } from './http2-handover.ts'
import { isLingering } from './linger.ts'
import { refuse } from './refuse.ts'

export type ClientErrorOptions = {
  readonly maxHeaderBytes: number
  readonly connections: Pick<Connections, 'has' | 'isDraining' | 'pendingResponse'>
  /** Counts a failure of a request that reaches no handler. */
  readonly count: (method: string, thrown: unknown) => FailureContext
  /** Serves a connection whose buffered input begins with the connection preface of HTTP/2. */
  readonly serveHttp2: (socket: Socket) => void
  /** Called when the handshake fails because of the client certificate, or because there is none. */
  readonly onCertificateRejected: (address: string | undefined) => void
  /** Called when a client speaks another protocol than HTTP. */
  readonly onOtherProtocol: ((protocol: OtherProtocol) => void) | undefined
}

const NO_CONTEXT: FailureContext = { route: undefined, requestId: undefined }

/** Handles what node:http reports as `clientError`: TLS and parser failures, and the preface of HTTP/2. */
export function createClientErrorHandler(
  options: ClientErrorOptions,
): (error: ParserError, socket: Duplex) => void {
  const { maxHeaderBytes, connections, count, serveHttp2, onOtherProtocol } = options
  /** Connections on which the parser has failed. */
  const failed = new WeakSet<Duplex>()
  /** Connections that the HTTP/2 server serves. */
  const handedOver = new WeakSet<Duplex>()

  const fail = (error: ParserError, socket: Duplex): void => {
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
  }

  return (error, socket) => {
    if (!connections.has(socket)) {
      if (socket instanceof TLSSocket && isCertificateRejected(error, socket)) {
        options.onCertificateRejected(socket.remoteAddress)
      }
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
      serveHttp2(socket)
    } else fail(error, socket)
  }
}

/** Node reports a certificate that it does not accept as a disconnect, and stores the reason. */
function isCertificateRejected({ code }: ParserError, socket: TLSSocket): boolean {
  const { authorizationError } = socket
  return (
    code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' ||
    code === 'ERR_SSL_CERTIFICATE_VERIFY_FAILED' ||
    (authorizationError !== undefined && authorizationError !== null)
  )
}
