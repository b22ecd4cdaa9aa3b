import type { Duplex } from 'node:stream'
import { type SecureContext, TLSSocket } from 'node:tls'
import type { Clock } from '../lib/clock.ts'
import type { HandshakeFailure } from '../observe/interception-record.ts'
import { closedWithoutRequest, handshakeFailure, handshakeTimeout } from './handshake-failure.ts'

export type TlsHandshakeOptions = {
  /** Without a certificate, so that the handshake with a client that sends no server name fails with an alert. */
  readonly initial: SecureContext
  /** With the certificate, for any client that sends a server name. */
  readonly certified: SecureContext
  /** By preference (RFC 7301). A client without ALPN gets HTTP/1.1. */
  readonly protocols: readonly string[]
  readonly timeoutMs: number
  readonly clock: Clock
  /** `serverName` is that of the client, in lower case; undefined if it sent none. */
  readonly onSecure: (secure: TLSSocket, serverName: string | undefined) => void
  readonly onFailure: (failure: HandshakeFailure) => void
}

/** The server side of a TLS handshake on a connection that was opened for another protocol. */
export function beginTlsHandshake(client: Duplex, options: TlsHandshakeOptions): void {
  const { initial, certified, protocols, timeoutMs, clock, onSecure, onFailure } = options
  let serverName: string | undefined
  let alpn: readonly string[] | undefined
  let isSettled = false
  const secure = new TLSSocket(client, {
    isServer: true,
    secureContext: initial,
    SNICallback(name, callback) {
      // RFC 6066 section 3 has no trailing dot; a client may send one.
      serverName = name.toLowerCase().replace(/\.$/, '')
      callback(null, certified)
    },
    ALPNCallback(offered) {
      alpn = offered.protocols
      return protocols.find((protocol) => offered.protocols.includes(protocol))
    },
  })
  const settle = (): boolean => {
    cancelTimeout()
    if (isSettled) return false
    isSettled = true
    return true
  }
  const fail = (failure: HandshakeFailure): void => {
    if (settle()) onFailure(failure)
    secure.destroy()
  }
  const cancelTimeout = clock.schedule(timeoutMs, () => fail(handshakeTimeout()))
  const onEnd = (): void => fail(closedWithoutRequest())

  secure.on('error', (error: NodeJS.ErrnoException) => {
    if (!isSettled) fail(handshakeFailure({ code: error.code, serverName, alpn }))
  })
  secure.once('end', onEnd)
  secure.once('close', onEnd)
  // node:tls emits it at both sides; its own servers use it as well.
  secure.once('secure', () => {
    if (!settle()) return
    secure.off('end', onEnd)
    secure.off('close', onEnd)
    secure.disableRenegotiation()
    // What a server of node:tls does with its sockets: node:http2 waits for the end of the handshake, and an error
    // of TLS closes the connection.
    Object.assign(secure, { secureConnecting: false })
    secure.on('_tlsError', () => secure.destroy())
    onSecure(secure, serverName)
  })
}
