import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { SwitchProtocols } from '../http/inbound-request.ts'
import { joinTunnel } from '../http/tunnel.ts'
import type { Clock } from '../lib/clock.ts'
import { closeGently } from './linger.ts'

/**
 * Whether `Upgrade` of a request (RFC 9110 section 7.8) is forwarded. It is ignored for h2c, and for a
 * request with a body, after which the connection could not be switched safely.
 */
export function mayUpgrade(req: IncomingMessage): boolean {
  const { headers, httpVersionMinor } = req
  return (
    httpVersionMinor >= 1 &&
    !/(?:^|[\s,])h2c(?:$|[\s,])/i.test(headers.upgrade ?? '') &&
    headers['transfer-encoding'] === undefined &&
    Number(headers['content-length'] ?? 0) === 0 &&
    headers.expect === undefined
  )
}

/**
 * The response to a request whose socket node:http has detached, so that errors, its end and backpressure are
 * handled here. It closes the connection, unless the protocol is switched.
 */
export function createUpgradeResponse(req: IncomingMessage): ServerResponse {
  const { socket } = req
  socket.on('error', () => {})
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  socket.on('drain', () => res.emit('drain'))
  // A half-closed connection cannot be upgraded.
  socket.once('end', () => {
    if (!res.writableEnded) res.destroy()
  })
  res.once('finish', () => {
    res.detachSocket(socket)
    closeGently(socket)
  })
  res.assignSocket(socket)
  return res
}

/** A client connection that may become a tunnel. */
type UpgradableConnection = {
  readonly res: ServerResponse
  readonly socket: Socket
  /** What the client sent after its request. */
  readonly early: Buffer
}

/** Sends the 101 response, and joins the two connections until both have ended. */
export function createProtocolSwitch(
  { res, socket: client, early }: UpgradableConnection,
  clock: Clock,
): SwitchProtocols {
  return async (upstream, fields, idleMs) => {
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade']
    for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`)
    if (!client.destroyed) res.detachSocket(client)
    client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    return await joinTunnel({ client, upstream, early }, idleMs, clock)
  }
}
