import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import { fieldValues } from '../http/field-lines.ts'
import { NO_CONTEXT, responseHeaders } from '../exchange/response-fields.ts'
import type { Route } from '../exchange/route.ts'
import { joinTunnel, type TunnelReport } from './tunnel.ts'

/**
 * Whether a request that asks for another protocol (RFC 9110 section 7.8) gets its wish passed on.
 * HTTP/2 is none that it could have, and a body in front of it would make two orders of one; then
 * the wish is ignored, as any server may.
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

/** The client's side of a connection that may become a tunnel. */
export type UpgradableConnection = {
  readonly socket: Socket
  /** What the client sent behind its request. */
  readonly early: Buffer
}

type Switched = { readonly socket: Duplex; readonly headers: readonly string[] }

/** Tells the client that the upstream agrees, and joins the two connections until they end. */
export async function switchProtocols(
  { socket: upstream, headers }: Switched,
  { socket: client, early }: UpgradableConnection,
  exchange: { readonly res: ServerResponse; readonly route: Route; readonly clock: Clock },
): Promise<TunnelReport> {
  const { res, route, clock } = exchange
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade']
  const kept = ['Upgrade', fieldValues(headers, 'upgrade').join(', ')].concat(
    responseHeaders(headers, route.answerHeaders, NO_CONTEXT),
  )
  for (let i = 0; i < kept.length; i += 2) lines.push(`${kept[i]}: ${kept[i + 1]}`)
  if (!client.destroyed) res.detachSocket(client)
  client.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  return await joinTunnel({ client, upstream, early }, route.timeouts.upgradedMs, clock)
}

/**
 * RFC 9110 section 7.8: whether an upstream that switches says so of this connection, to what, and to
 * nothing that was not asked for.
 */
export function wasAskedFor(headers: readonly string[], asked = ''): boolean {
  const wanted = new Set(membersOf([asked]))
  const chosen = fieldValues(headers, 'upgrade')
  return (
    membersOf(fieldValues(headers, 'connection')).includes('upgrade') &&
    chosen.length > 0 &&
    membersOf(chosen).every((protocol) => wanted.has(protocol))
  )
}

function membersOf(lists: readonly string[]): string[] {
  return lists
    .join()
    .toLowerCase()
    .split(',')
    .map((member) => member.trim())
}
