import { METHODS } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
import type { RejectionReason } from '../observe/rejected-connections.ts'
import { type ClientHello, readClientHello } from './client-hello.ts'

export type RedirectedConnectionOptions = {
  /** Whether a route names this host at the default port of https. */
  readonly namesHost: (host: string) => boolean
  /** Serves TLS in the name of this host; undefined where TLS is not intercepted. */
  readonly serveTls: ((client: Socket, host: string) => void) | undefined
  /** Serves HTTP/1.1, and HTTP/2 with prior knowledge. */
  readonly serveHttp: (client: Socket) => void
  /** `host` is the server name of TLS, where there is one. */
  readonly onRejected: (reason: RejectionReason, host: string | undefined) => void
  /** Whether this process has opened the connection. */
  readonly isOwn: (client: Socket) => boolean
  /** Whether the listener also accepts connections to addresses other than loopback ones. */
  readonly servesOtherMachines: boolean
  /** How long the client may take to send its ClientHello, or the method of its request. */
  readonly timeoutMs: () => number
  readonly clock: Clock
}

/**
 * Takes over a connection that the kernel has redirected to this listener. Its original destination is unknown, so the
 * host is the one that the client names: by SNI, or by `Host` in each request. It only selects a route. Everything else
 * is reset: an orderly close or a TLS alert would look like a failure of the host.
 */
export function createRedirectedConnectionHandler(
  options: RedirectedConnectionOptions,
): (client: Socket) => void {
  const { serveTls, serveHttp, onRejected, isOwn, servesOtherMachines, timeoutMs, clock } = options

  return (client) => {
    const reject = (reason: RejectionReason, host?: string): void => {
      onRejected(reason, host)
      client.resetAndDestroy()
    }
    client.on('error', () => {})
    if (!servesOtherMachines && !isLoopbackAddress(client.localAddress)) {
      reject('not_redirected')
      return
    }
    let received = Buffer.alloc(0)
    const stop = (): void => {
      cancelTimeout()
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
      received = Buffer.concat([received, octets])
      const decision = decide(received, options)
      if (decision === undefined) return
      stop()
      if (isOwn(client)) reject('loop')
      else if (decision.kind === 'rejected') reject(decision.reason, decision.host)
      else {
        client.unshift(received)
        if (decision.kind === 'http') serveHttp(client)
        else serveTls?.(client, decision.host)
      }
    }
    const cancelTimeout = clock.schedule(timeoutMs(), () => {
      stop()
      reject('timeout')
    })
    client.on('readable', onReadable)
    client.once('end', onEnd)
    client.once('close', stop)
  }
}

type Decision =
  | { readonly kind: 'http' }
  | { readonly kind: 'tls'; readonly host: string }
  | { readonly kind: 'rejected'; readonly reason: RejectionReason; readonly host?: string }

/** By the first octets of a connection; undefined if more are needed. */
function decide(
  received: Buffer,
  { namesHost, serveTls }: Pick<RedirectedConnectionOptions, 'namesHost' | 'serveTls'>,
): Decision | undefined {
  const reading = readClientHello(received)
  if (reading.state === 'incomplete') return undefined
  if (reading.state === 'complete')
    return decideTls(reading.hello, namesHost, serveTls !== undefined)
  if (reading.reason !== 'not_tls') return { kind: 'rejected', reason: reading.reason }
  const start = received.toString('latin1', 0, MAX_METHOD_LENGTH + 1)
  if (BEGINNING_OF_HTTP.test(start)) return { kind: 'http' }
  const isIncomplete = /^[A-Z-]*$/.test(start) && start.length <= MAX_METHOD_LENGTH
  return isIncomplete ? undefined : { kind: 'rejected', reason: 'not_http' }
}

function decideTls(
  { serverName: host, protocols, hasEncryptedHello }: ClientHello,
  namesHost: RedirectedConnectionOptions['namesHost'],
  isIntercepted: boolean,
): Decision {
  if (host === undefined) return { kind: 'rejected', reason: 'no_server_name' }
  if (!namesHost(host)) {
    const reason = hasEncryptedHello ? 'encrypted_hello' : 'unknown_host'
    return { kind: 'rejected', reason, host }
  }
  if (protocols?.some((protocol) => HTTP_PROTOCOLS.has(protocol)) === false) {
    return { kind: 'rejected', reason: 'not_http', host }
  }
  return isIntercepted
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
