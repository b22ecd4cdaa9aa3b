import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { copyOf } from '../lib/detach-after-write.ts'
import { networkFault } from '../lib/network-fault.ts'
import { type TlsMaterial, withoutTrailingDot } from '../lib/tls-material.ts'
import { upstreamFailure } from '../http/upstream-failure.ts'

/**
 * Opens a connection, with TLS where the origin has it. Where the end of a response may be the end of
 * the connection, `verifiesEnd` is needed to tell whether it is complete.
 */
export type Connect = (onConnected: OnConnected, verifiesEnd: boolean) => void

/** Neither an error nor a socket: the connection is used elsewhere. */
type OnConnected = (error: unknown, socket: Socket | null, end: EndOfData) => void

/** Whether the end of the data is authenticated: over TLS, by a closure alert of the peer. */
export type EndOfData = {
  readonly means: 'tcp' | 'tls, verified' | 'tls, not verified'
  /** After the end: whether the peer has ended the data there (RFC 8446 section 6.1). */
  readonly isAuthentic: () => boolean
}

/** Without TLS, a FIN is all there is. */
export const PLAIN_END: EndOfData = { means: 'tcp', isAuthentic: () => true }
const UNVERIFIED_END: EndOfData = { means: 'tls, not verified', isAuthentic: () => false }

/** Protocols as ALPN names them. */
export type AlpnProtocol = 'h2' | 'http/1.1'

/** The negotiated protocol; HTTP/1.1 without ALPN. */
export function negotiatedProtocol(socket: Socket): AlpnProtocol {
  return socket instanceof TLSSocket && socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1'
}

export type ConnectorOptions = {
  readonly origin: string
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string
  readonly port: number
  /** Undefined for an origin without TLS. */
  readonly tls: TlsMaterial | undefined
  /** The protocols to offer (RFC 7301). */
  readonly alpn: readonly AlpnProtocol[]
  /** For DNS, TCP, the proxy and the TLS handshakes together. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** Opens a tunnel to be used instead of a TCP connection. */
  readonly openTransport?: OpenTransport | undefined
  /** Called with each direct connection; an error closes it. */
  readonly refuse?: ((socket: Socket) => Error | undefined) | undefined
}

/** Opens a connection that carries another one. Returns a function that ends the attempt because of a timeout. */
export type OpenTransport = (
  onOpen: (error: unknown, transport: Socket | null) => void,
) => () => void

const KEEP_ALIVE_DELAY_MS = 60_000

/**
 * All connections read into this buffer, and each read is copied. That is cheaper than allocating a buffer
 * of the maximum size for each read. A larger buffer makes large bodies cheaper, but also more is held in
 * memory for each client that stops reading (docs/performance.md).
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024)

/** Connecting fails with `upstream_timeout`, or with the error of the system or OpenSSL. */
export function createConnector(options: ConnectorOptions): Connect {
  const { origin, hostname, port, tls, alpn, timeoutMs, clock, openTransport } = options
  /** For session resumption (RFC 8446 section 2.2). */
  let session: Buffer | undefined

  const tcpOptions = {
    host: hostname,
    port,
    autoSelectFamily: true,
    // A tunnel stays open in the other direction when one side has ended (half-close).
    allowHalfOpen: true,
  }
  const openTls = (material: TlsMaterial, transport?: Duplex): Socket => {
    const socket: Socket = connectTls({
      ...tcpOptions,
      ...material,
      ...(material.servername !== undefined && {
        servername: withoutTrailingDot(material.servername),
      }),
      ...(transport !== undefined && { socket: transport }),
      ...readOptions(() => socket),
      ALPNProtocols: [...alpn],
      ...(session !== undefined && { session }),
    }).on('session', (issued) => {
      session = issued
    })
    return socket
  }

  const open = (verifiesEnd: boolean, tunnel: Socket | undefined): Opened => {
    if (tls === undefined) {
      if (tunnel !== undefined) return { socket: tunnel, end: PLAIN_END }
      const socket: Socket = connectTcp({ ...tcpOptions, ...readOptions(() => socket) })
      return { socket: withTcpOptions(socket), end: PLAIN_END }
    }
    if (!verifiesEnd) {
      const socket = openTls(tls, tunnel)
      return { socket: tunnel === undefined ? withTcpOptions(socket) : socket, end: UNVERIFIED_END }
    }
    const tcp = tunnel ?? withTcpOptions(connectTcp(tcpOptions))
    const { transport, hasEnded } = transportOver(tcp)
    let socket: Socket
    try {
      socket = openTls(tls, transport)
    } catch (thrown) {
      tcp.destroy()
      throw thrown
    }
    let isAuthentic = false
    const push = socket.push.bind(socket)
    // Node reports close_notify and a FIN alike, as an end; but only the FIN ends the transport before.
    socket.push = (chunk, encoding) => {
      if (chunk === null && !hasEnded()) isAuthentic = true
      return push(chunk, encoding)
    }
    return { socket, end: { means: 'tls, verified', isAuthentic: () => isAuthentic } }
  }

  return (onConnected, verifiesEnd) => {
    let onTimeout: (() => void) | undefined
    let isSettled = false
    const settle = (error: unknown, opened?: Opened): void => {
      cancelTimeout()
      if (isSettled) return
      isSettled = true
      onConnected(error, opened?.socket ?? null, opened?.end ?? UNVERIFIED_END)
    }
    const cancelTimeout = clock.schedule(timeoutMs, () => onTimeout?.())
    const connectOver = (tunnel: Socket | undefined): void => {
      let opened: Opened
      try {
        opened = open(verifiesEnd, tunnel)
      } catch (thrown) {
        tunnel?.destroy()
        // OpenSSL rejects certificates here, such as one whose key is too small.
        process.nextTick(settle, thrown)
        return
      }
      const { socket } = opened
      onTimeout = () => socket.destroy(upstreamFailure(origin, 'timeout', 'connection timed out'))
      socket.on('error', (error) =>
        settle(tunnel !== undefined && isReset(error) ? closedTunnel(origin, error) : error),
      )
      if (tls === undefined && tunnel !== undefined) settle(null, opened)
      else {
        socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
          const refusal = tunnel === undefined ? options.refuse?.(socket) : undefined
          if (refusal === undefined) settle(null, opened)
          else socket.destroy(refusal)
        })
      }
    }
    if (openTransport === undefined) connectOver(undefined)
    else {
      onTimeout = openTransport((error, tunnel) => {
        if (tunnel === null) settle(error)
        else connectOver(tunnel)
      })
    }
  }
}

function isReset(error: Error): boolean {
  return !(error instanceof SidecarError) && networkFault(error)?.kind === 'reset'
}

/** Either the proxy or the upstream may have closed it. */
function closedTunnel(origin: string, cause: Error): SidecarError {
  const reason = 'the tunnel through the proxy was closed during the TLS handshake'
  return upstreamFailure(origin, 'reset', reason, cause)
}

type Opened = { readonly socket: Socket; readonly end: EndOfData }

function withTcpOptions(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
}

/** Options to read into the shared buffer. */
function readOptions(socket: () => Socket) {
  return {
    onread: {
      buffer: READ_BUFFER,
      callback: (size: number) => socket().push(copyOf(READ_BUFFER.subarray(0, size))),
    },
  }
}

/**
 * A TCP connection as a stream for TLS, in JavaScript, which distinguishes a FIN from a closure alert. It costs
 * each request more than a native connection, so it is used only where needed.
 */
function transportOver(tcp: Socket): { transport: Duplex; hasEnded: () => boolean } {
  let hasEnded = false
  const onEnd = (): void => {
    hasEnded = true
  }
  const transport = new Duplex({
    read: () => void tcp.resume(),
    write: (chunk: Buffer, _encoding, callback) => void tcp.write(chunk, callback),
    final: (callback) => void tcp.end(callback),
    destroy(error, callback) {
      onEnd()
      tcp.destroy()
      callback(error)
    },
  })
  // Before TLS receives the end.
  transport.once('end', onEnd)
  tcp.on('data', (chunk: Buffer) => {
    if (!transport.push(chunk)) tcp.pause()
  })
  tcp.on('end', () => transport.push(null))
  tcp.on('error', (error) => transport.destroy(error))
  tcp.on('close', () => transport.destroy())
  return { transport, hasEnded: () => hasEnded }
}
