import type { Socket } from 'node:net'
import { fieldValues } from '../http/field-lines.ts'
import { proxyFailure } from '../http/upstream-failure.ts'
import type { EgressProxy } from './egress-proxy.ts'
import { couldBeHead, NO_STATUS_LINE, parseHead, type ResponseHead } from './response-head.ts'

/** More than any response to `CONNECT` has, interim responses included. */
const MAX_HEAD_BYTES = 16 * 1024
const HEAD_END = '\r\n\r\n'

export type TunnelRequest = {
  /** The host and the port (RFC 9110 section 9.3.6). */
  readonly authority: string
  readonly proxy: EgressProxy
  /** The upstream, for messages. */
  readonly origin: string
  /** Whether the server may send before the client does, as over HTTP/2 without TLS. */
  readonly allowsEarlyData: boolean
}

/**
 * Requests a tunnel on a connection to a proxy. When it is open, what the proxy sent behind its response is the
 * first that can be read. Returns a function that ends the attempt because of a timeout.
 */
export function requestTunnel(
  socket: Socket,
  { authority, proxy, origin, allowsEarlyData }: TunnelRequest,
  onOpen: (error: unknown, socket: Socket | null) => void,
): () => void {
  const { name } = proxy
  let received = Buffer.alloc(0)
  let interimBytes = 0

  const stop = (): void => {
    socket.off('readable', onReadable)
    socket.off('end', onEnd)
    socket.off('close', onEnd)
  }
  const fail = (reason: string): void => {
    stop()
    socket.destroy()
    onOpen(proxyFailure(origin, reason), null)
  }
  const refuse = (why: string) =>
    proxyFailure(origin, `the response of the proxy "${name}" to CONNECT is not valid HTTP: ${why}`)

  const read = (): void => {
    for (;;) {
      const at = received.indexOf(HEAD_END)
      if (interimBytes + (at === -1 ? received.length : at) > MAX_HEAD_BYTES) {
        throw refuse('its header section is too large')
      }
      if (at === -1) {
        if (!couldBeHead(received)) throw refuse(NO_STATUS_LINE)
        return
      }
      const to = at + HEAD_END.length
      const head = parseHead(received.toString('latin1', 0, to), refuse)
      received = received.subarray(to)
      interimBytes += to
      if (head.status >= 200 || head.status === 101) {
        onResponse(head)
        return
      }
    }
  }
  const onResponse = ({ status, fields }: ResponseHead): void => {
    if (status >= 200 && status < 300) {
      if (received.length > 0 && !allowsEarlyData) {
        fail(`the proxy "${name}" sent data before the upstream could`)
        return
      }
      stop()
      if (received.length > 0) socket.unshift(received)
      onOpen(null, socket)
      return
    }
    if (status === 407) proxy.onRejected()
    fail(rejection(proxy, status, fields))
  }
  // Not 'data': a socket that was read so, and paused, would not start to flow for its next reader.
  const onReadable = (): void => {
    const chunk: unknown = socket.read()
    if (!Buffer.isBuffer(chunk)) return
    received = Buffer.concat([received, chunk])
    try {
      read()
    } catch (failure) {
      stop()
      socket.destroy()
      onOpen(failure, null)
    }
  }
  const onEnd = (): void =>
    fail(`the proxy "${name}" closed the connection without a response to CONNECT`)

  socket.on('readable', onReadable)
  socket.on('end', onEnd)
  socket.on('close', onEnd)
  const authorization = proxy.authorization()?.reveal()
  const fields = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`, 'latin1')
  return () => fail(`the proxy "${name}" did not respond to CONNECT in time`)
}

/** Statuses with which a proxy says that it cannot reach the upstream. */
const GATEWAY_STATUSES: ReadonlySet<number> = new Set([502, 503, 504])

/** RFC 9110 section 11.6.1: a list of challenges, each of which begins with a scheme. */
const BASIC_CHALLENGE = /(?:^|,)[ \t]*basic(?:[ \t,]|$)/i

/** Why a proxy does not forward a request. */
export function rejection(proxy: EgressProxy, status: number, fields: readonly string[]): string {
  const { name } = proxy
  if (status === 407) {
    const challenges = fieldValues(fields, 'proxy-authenticate')
    if (challenges.length > 0 && !challenges.some((value) => BASIC_CHALLENGE.test(value))) {
      return `the proxy "${name}" does not accept Basic authentication (407)`
    }
    return proxy.authorization() === undefined
      ? `the proxy "${name}" requires a user name and a password (407)`
      : `the proxy "${name}" rejects the user name or the password (407)`
  }
  return GATEWAY_STATUSES.has(status)
    ? `the proxy "${name}" cannot reach the upstream: it responded to CONNECT with ${status}`
    : `the proxy "${name}" refuses the connection: it responded to CONNECT with ${status}`
}
