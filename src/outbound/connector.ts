import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../lib/clock.ts'
import { copyOf } from '../lib/give-back.ts'
import { type TlsMaterial, withoutTrailingDot } from '../lib/tls-material.ts'
import { upstreamFailure } from '../http/upstream-failure.ts'

/** Opens a connection, with TLS where the origin has it. */
export type Connect = (onConnected: (error: unknown, socket: Socket | null) => void) => void

export type ConnectorOptions = {
  readonly origin: string
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string
  readonly port: number
  /** Undefined for an origin without TLS. */
  readonly tls: TlsMaterial | undefined
  /** For all of it: the name, the addresses and the handshake. */
  readonly timeoutMs: number
  readonly clock: Clock
}

const KEEP_ALIVE_DELAY_MS = 60_000

/**
 * What comes on any connection is read to this place and copied from there, all of it at once. To have a
 * place of its own for each read, as large as a read may become, costs more than to copy. The larger it
 * is, the less a large body costs; but as much is held for each client that stops to read
 * (docs/performance.md).
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024)

/** A connection fails with `upstream_timeout`, or with what the system or OpenSSL says. */
export function createConnector(options: ConnectorOptions): Connect {
  const { origin, hostname, port, tls, timeoutMs, clock } = options
  /** RFC 8446 section 2.2: the next handshake is shorter with it. */
  let session: Buffer | undefined

  const open = (): Socket => {
    const common = {
      host: hostname,
      port,
      autoSelectFamily: true,
      // A tunnel goes on in the other direction when one side has ended.
      allowHalfOpen: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (size: number) => socket.push(copyOf(READ_BUFFER.subarray(0, size))),
      },
    }
    const socket: Socket =
      tls === undefined
        ? connectTcp(common)
        : connectTls({
            ...common,
            ...tls,
            ...(tls.servername !== undefined && {
              servername: withoutTrailingDot(tls.servername),
            }),
            ALPNProtocols: ['http/1.1'],
            ...(session !== undefined && { session }),
          }).on('session', (issued) => {
            session = issued
          })
    return socket
  }

  return (onConnected) => {
    let socket: Socket
    try {
      socket = open()
    } catch (thrown) {
      // What OpenSSL makes of a certificate is known only now: that its key is too small, say.
      process.nextTick(onConnected, thrown, null)
      return
    }
    let isSettled = false
    const settle = (error: unknown): void => {
      cancelTimeout()
      if (isSettled) return
      isSettled = true
      onConnected(error, error === null ? socket : null)
    }
    const cancelTimeout = clock.schedule(timeoutMs, () =>
      socket.destroy(upstreamFailure(origin, 'timeout', 'connecting took too long')),
    )
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => settle(null))
    socket.on('error', settle)
  }
}
