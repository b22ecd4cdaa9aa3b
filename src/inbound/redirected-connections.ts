import { METHODS } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
import type { RejectionReason } from '../observe/rejected-connections.ts'
import { type ClientHello, readClientHello } from './client-hello.ts'

export type RedirectedConnectionOptions = {
  /** Whether a route names this host at the default port of https. */
  readonly namesHost: (host: string) => boolean
  readonly interceptsTls: () => boolean
  /** Serves TLS in the name of this host. */
  readonly serveTls: (client: Socket, host: string) => Promise<void>
  /** Serves HTTP/1.1, and HTTP/2 with prior knowledge. */
  readonly serveHttp: (client: Socket) => void
  /** Whether more connections are open than the limit allows. */
  readonly isSurplus: (client: Socket) => boolean
  readonly timeoutMs: () => number
  readonly clock: Clock
} & RedirectedConnectionPolicy

export type RedirectedConnectionPolicy = {
  /** `host` is the server name of TLS, where there is one. */
  readonly onRejected: (reason: RejectionReason, host: string | undefined) => void
  /** Whether this process has opened the connection. */
  readonly isOwn: (client: Socket) => boolean
  /** Whether connections to other addresses than loopback ones are accepted. */
  readonly servesOtherMachines: boolean
}

export type RedirectedConnections = {
  readonly accept: (client: Socket) => void
  /** Closes connections on which nothing has been received. */
  readonly closeIdle: () => void
}

/**
 * Takes over connections that the kernel has redirected to this listener. Their original destinations are unknown, so
 * the host is the one that the client names: by SNI, or by `Host` in each request. It only selects a route. Everything
 * else is reset: an orderly close or a TLS alert would look like a failure of the host.
 */
export function createRedirectedConnections(
  options: RedirectedConnectionOptions,
): RedirectedConnections {
  const { serveTls, serveHttp, onRejected, clock } = options
  const idle = new Set<Socket>()

  const reject = (client: Socket, reason: RejectionReason, host?: string): void => {
    onRejected(reason, host)
    client.resetAndDestroy()
  }
  const serve = (client: Socket, decision: Decision): void => {
    if (options.isOwn(client)) reject(client, 'loop')
    else if (decision.kind === 'rejected') reject(client, decision.reason, decision.host)
    else if (decision.kind === 'http') serveHttp(client)
    else if (options.isSurplus(client)) reject(client, 'too_many_connections', decision.host)
    else {
      serveTls(client, decision.host).catch(() => reject(client, 'no_certificate', decision.host))
    }
  }

  return {
    accept(client) {
      client.on('error', () => {})
      if (!options.servesOtherMachines && !isLoopbackAddress(client.localAddress)) {
        reject(client, 'not_redirected')
        return
      }
      let received: Buffer = Buffer.alloc(0)
      const stop = (): void => {
        cancelTimeout()
        idle.delete(client)
        client.off('readable', onReadable)
        client.off('end', onEnd)
        client.off('close', stop)
      }
      const onEnd = (): void => {
        stop()
        client.destroy()
      }
      const onReadable = (): void => {
        const octets: unknown = client.read()
        if (!(octets instanceof Buffer)) return
        idle.delete(client)
        received = received.length === 0 ? octets : Buffer.concat([received, octets])
        const decision = decide(received, options)
        if (decision === undefined) return
        stop()
        client.unshift(received)
        serve(client, decision)
      }
      const cancelTimeout = clock.schedule(options.timeoutMs(), () => {
        stop()
        reject(client, 'timeout')
      })
      idle.add(client)
      client.on('readable', onReadable)
      client.once('end', onEnd)
      client.once('close', stop)
    },
    closeIdle() {
      for (const client of idle) client.destroy()
    },
  }
}

type Decision =
  | { readonly kind: 'http' }
  | { readonly kind: 'tls'; readonly host: string }
  | { readonly kind: 'rejected'; readonly reason: RejectionReason; readonly host?: string }

/** By the first octets of a connection; undefined if more are needed. */
function decide(
  received: Buffer,
  options: Pick<RedirectedConnectionOptions, 'namesHost' | 'interceptsTls'>,
): Decision | undefined {
  const reading = readClientHello(received)
  if (reading.state === 'incomplete') return undefined
  if (reading.state === 'complete') return decideTls(reading.hello, options)
  if (reading.reason !== 'not_tls') return { kind: 'rejected', reason: reading.reason }
  const start = received.toString('latin1', 0, MAX_METHOD_LENGTH + 1)
  if (BEGINNING_OF_HTTP.test(start)) return { kind: 'http' }
  const isIncomplete = /^[A-Z-]*$/.test(start) && start.length <= MAX_METHOD_LENGTH
  return isIncomplete ? undefined : { kind: 'rejected', reason: 'not_http' }
}

function decideTls(
  { serverName: host, protocols, hasEncryptedHello }: ClientHello,
  { namesHost, interceptsTls }: Pick<RedirectedConnectionOptions, 'namesHost' | 'interceptsTls'>,
): Decision {
  if (host === undefined) return { kind: 'rejected', reason: 'no_server_name' }
  if (!namesHost(host)) {
    const reason = hasEncryptedHello ? 'encrypted_hello' : 'unknown_host'
    return { kind: 'rejected', reason, host }
  }
  if (protocols?.some((protocol) => HTTP_PROTOCOLS.has(protocol)) === false) {
    return { kind: 'rejected', reason: 'not_http', host }
  }
  return interceptsTls()
    ? { kind: 'tls', host }
    : { kind: 'rejected', reason: 'no_interception', host }
}

/** As registered for ALPN (RFC 7301 section 6). */
const HTTP_PROTOCOLS: ReadonlySet<string> = new Set(['h2', 'http/1.1', 'http/1.0'])

const MAX_METHOD_LENGTH = Math.max(...METHODS.map((method) => method.length))

/** A method, the preface of HTTP/2, or the empty line that a server ignores (RFC 9112 section 2.2). */
const BEGINNING_OF_HTTP = /^(?:[A-Z][A-Z-]* |\r|\n)/

/** A socket that listens on "::" reports IPv4 addresses in their IPv6 form. */
function isLoopbackAddress(address = ''): boolean {
  return isLoopbackHost(address.replace(/^::ffff:/, ''))
}
