import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { SidecarError } from '../errors.ts'
import type { ConnectionOrigin } from '../http/inbound-request.ts'
import type { Clock } from '../lib/clock.ts'
import type { HandshakeFailure } from '../observe/interception-record.ts'
import {
  closedWithoutRequest,
  handshakeTimeout,
  otherServerName,
  plainHttp,
} from './handshake-failure.ts'
import { peek } from './peek.ts'
import { refuse } from './refuse.ts'
import { beginTlsHandshake } from './tls-handshake.ts'

/** Issues the certificates with which the sidecar stands in for a host. */
export type InterceptionIssuer = {
  /** PEM texts; the certificate is followed by its intermediates. */
  readonly issue: (host: string) => Promise<{ readonly cert: string; readonly key: string }>
  /** Whether the CA may sign this host. */
  readonly permits: (host: string) => boolean
}

/** A host that routes name. */
export type RoutedHost = {
  /** As the route spells it, such as `*.example.com`. */
  readonly name: string
  /** Whether its upstreams speak HTTP/2; may connect to them to find out. */
  readonly speaksHttp2: () => Promise<boolean>
}

export type InterceptionOptions = {
  readonly issuer: InterceptionIssuer
  /** The routes for a host and port; undefined if none names it. */
  readonly routedHost: (authority: string) => RoutedHost | undefined
  readonly mode: ConnectionOrigin['mode']
  readonly observer: InterceptionObserver
  readonly timeoutMs: number
  readonly clock: Clock
}

/** `host` is the name of a `RoutedHost`. */
type InterceptionObserver = {
  readonly succeeded: (host: string) => void
  readonly failed: (host: string, failure: HandshakeFailure) => void
}

export type Destination = {
  /** In lower case; an IPv6 address without brackets. */
  readonly host: string
  readonly port: number
  /** Both, as routes spell them. */
  readonly authority: string
}

/** TLS in the name of hosts that a route names, on connections that clients open to them. */
export type Interception = {
  /**
   * Prepares the handshake with a client that calls this host, so that whatever prevents it can still be reported.
   * Fails with `egress_denied`, or as the issuer does.
   */
  readonly prepare: (destination: Destination) => Promise<PreparedHandshake>
}

export type PreparedHandshake = {
  /**
   * Starts the handshake. What the client has sent of it must have been put back. Returns a function that closes the
   * connection if the client has not sent anything.
   */
  readonly begin: (client: Duplex, onSecure: (connection: SecureConnection) => void) => () => void
}

/** A connection on which a client expects the server of `origin`. */
type SecureConnection = {
  readonly secure: TLSSocket
  readonly origin: ConnectionOrigin
  /** To be called when a request has arrived. */
  readonly onUsed: () => void
}

/** RFC 8446 section 5.1: the type of a record of the handshake. */
const HANDSHAKE_RECORD = 22

/** Hosts for which a TLS context is kept. */
const MAX_CONTEXTS = 1_000

export function createInterception(options: InterceptionOptions): Interception {
  const { issuer, routedHost, mode, observer, timeoutMs, clock } = options
  const withoutCertificate = createSecureContext({ minVersion: 'TLSv1.2' })
  /** By host, that of the latest certificate last. */
  const contexts = new Map<string, { readonly cert: string; readonly context: SecureContext }>()

  async function contextOf(host: string): Promise<SecureContext> {
    const { cert, key } = await issuer.issue(host)
    const known = contexts.get(host)
    if (known?.cert === cert) return known.context
    const context = createSecureContext({ cert, key, minVersion: 'TLSv1.2' })
    contexts.delete(host)
    contexts.set(host, { cert, context })
    const [oldest] = contexts.keys()
    if (contexts.size > MAX_CONTEXTS && oldest !== undefined) contexts.delete(oldest)
    return context
  }

  return {
    async prepare({ host, port, authority }) {
      const routed = routedHost(authority)
      if (routed === undefined || !issuer.permits(host)) throw notPermitted(host)
      const [certified, speaksHttp2] = await Promise.all([contextOf(host), routed.speaksHttp2()])
      const { name } = routed
      const fail = (failure: HandshakeFailure): void => observer.failed(name, failure)
      const handshake = {
        // RFC 6066 section 3: a client does not send an IP address as a server name.
        initial: isIP(host) === 0 ? withoutCertificate : certified,
        certified,
        protocols: speaksHttp2 ? ['h2', 'http/1.1'] : ['http/1.1'],
        timeoutMs,
        clock,
        onFailure: fail,
      }

      const accept = (secure: TLSSocket, serverName: string | undefined): SecureConnection => {
        let isUsed = false
        const isOther = serverName !== undefined && serverName !== host
        const finish = (): void => {
          if (isUsed) return
          isUsed = true
          observer.succeeded(name)
        }
        if (isOther) {
          isUsed = true
          fail(otherServerName(serverName, host))
        }
        secure.once('close', () => {
          if (secure.bytesRead > 0) finish()
          else if (!isUsed) fail(closedWithoutRequest())
        })
        const origin = {
          host: hostOfOrigin(authority, port),
          scheme: 'https' as const,
          mode,
          otherServerName: isOther ? serverName : undefined,
        }
        return { secure, origin, onUsed: finish }
      }

      return {
        begin(client, onSecure) {
          client.on('error', () => {})
          let isWaiting = true
          const close = (failure?: HandshakeFailure): void => {
            if (!isWaiting) return
            isWaiting = false
            cancelTimeout()
            stop()
            if (failure !== undefined) fail(failure)
            client.destroy()
          }
          const cancelTimeout = clock.schedule(timeoutMs, () => close(handshakeTimeout()))
          const stop = peek(client, (octets) => {
            if (octets.length === 0) {
              close(closedWithoutRequest())
              return
            }
            isWaiting = false
            cancelTimeout()
            if (octets[0] !== HANDSHAKE_RECORD && isHttp(octets)) {
              const failure = plainHttp()
              fail(failure)
              refuse(client, unexpectedHttp(failure), { route: undefined, requestId: undefined })
            } else {
              beginTlsHandshake(client, {
                ...handshake,
                onSecure: (secure, serverName) => onSecure(accept(secure, serverName)),
              })
            }
          })
          // It may have left while the handshake was prepared.
          if (client.destroyed) close(closedWithoutRequest())
          return close
        },
      }
    },
  }
}

/** The host of an https URL with this authority, without the default port. */
export function hostOfOrigin(authority: string, port: number): string {
  return port === 443 ? authority.replace(/:443$/, '') : authority
}

/** Whether it begins like a request line of HTTP/1.1, or the preface of HTTP/2. */
function isHttp(octets: Buffer): boolean {
  return /^[A-Z]{1,20}(?: |$)/.test(octets.toString('latin1', 0, 21))
}

function unexpectedHttp({ reason, advice }: HandshakeFailure): SidecarError {
  return new SidecarError('request_invalid', `Cannot read the request: ${reason}`, { advice })
}

function notPermitted(host: string): SidecarError {
  return new SidecarError(
    'egress_denied',
    `Cannot open a tunnel: the CA of the sidecar may not sign a certificate for "${host}"`,
    {
      advice:
        'The CA is constrained to other names: "token-sidecar ca" shows them. A supplied CA must permit this host; a generated one is extended when a route names the host.',
    },
  )
}
