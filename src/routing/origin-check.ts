import { SidecarError } from '../errors.ts'
import { isLocalName, isLoopbackHost } from '../lib/loopback.ts'
import type { InboundRequest } from '../http/inbound-request.ts'
import type { RequestHead } from '../http/request-head.ts'
import { readOriginTarget } from './connection-origin.ts'
import { parseRequestTarget, type RequestTarget } from './request-target.ts'

/** Which names of the sidecar and which web pages a listener accepts. */
export type OriginPolicy = {
  /** The host of the listen address, in lower case; undefined for a Unix socket. */
  readonly listenHost: string | undefined
  /** Further names of the sidecar, in lower case and without a port. */
  readonly hosts: ReadonlySet<string>
  /** The origins of web pages that may send requests, as serialized in `Origin`. */
  readonly origins: ReadonlySet<string>
}

/** Fails with `egress_denied` for a request that a web page may have sent. */
type OriginCheck = (head: RequestHead, target: RequestTarget) => void

/**
 * Rejects requests of web pages in a browser on this machine, which would otherwise get a token. The browser
 * reports the origin of a page (`Origin`, Fetch Metadata), and after DNS rebinding `Host` is a name of the attacker's.
 * `isRouted` is true for hosts that a route names.
 */
export function createOriginCheck(
  { listenHost, hosts, origins }: OriginPolicy,
  isRouted: (host: string) => boolean,
): OriginCheck {
  // A listener on another address is called by names that the sidecar cannot know.
  const isOnLoopback = listenHost !== undefined && isLoopbackHost(listenHost)
  /** The last accepted host: most applications use one. */
  let known: string | undefined
  const isAccepted = (host: string): boolean => {
    if (host === known) return true
    const name = withoutPort(host)
    const isValid = isLocalName(name) || hosts.has(name) || isRouted(host)
    if (isValid) known = host
    return isValid
  }
  return ({ origin, fetchSite }, target) => {
    const isAllowed = origin !== undefined && origins.has(origin.toLowerCase())
    if (origin !== undefined && !isAllowed && hostOfOrigin(origin) !== target.host) {
      throw denied(
        'its Origin is not allowed; "access.origins" lists the origins that are',
        PAGE_ADVICE,
      )
    }
    const isSameSite =
      fetchSite === undefined || fetchSite === 'same-origin' || fetchSite === 'none'
    if (!isSameSite && !isAllowed) {
      throw denied('Sec-Fetch-Site says that it comes from a web page of another site', PAGE_ADVICE)
    }
    // Only HTTP/1.0 permits requests without a host, and browsers do not send it.
    if (isOnLoopback && !target.absolute && target.host !== '' && !isAccepted(target.host)) {
      throw denied(
        `its Host "${target.host}" is not a name of this listener; "access.hosts" lists further names`,
        'If the application calls the sidecar by this name, add it to "access.hosts". If not, this may have been a DNS rebinding attack, which was blocked.',
      )
    }
  }
}

/** Whether the host of an absolute-form target (RFC 9112 section 3.2.2) is the sidecar itself. */
export function isOwnAddress(
  { host, scheme }: Pick<RequestTarget, 'host' | 'scheme'>,
  { listenHost, hosts }: OriginPolicy,
  localPort: number | undefined,
): boolean {
  const name = withoutPort(host)
  const isAccepted = isLocalName(name) || hosts.has(name) || unbracketed(name) === listenHost
  // A Unix socket has no port to compare.
  return (
    isAccepted &&
    (localPort === undefined ||
      Number(host.slice(name.length + 1) || (scheme === 'https' ? 443 : 80)) === localPort)
  )
}

/**
 * Parses the request target. An absolute-form target that names the sidecar itself is treated as one in
 * origin-form (RFC 9112 section 3.2); on a connection to another origin, every target is one in absolute-form.
 */
export function readTarget(
  head: RequestHead,
  connection: Omit<InboundRequest['connection'], 'remoteAddress'>,
  policy: OriginPolicy,
): RequestTarget {
  if (connection.origin !== undefined) return readOriginTarget(head, connection.origin)
  const { target, hosts, version } = head
  const scheme = connection.encrypted === true ? 'https' : 'http'
  const parsed = parseRequestTarget(target, hosts, version, scheme)
  const isForSidecar = parsed.absolute && isOwnAddress(parsed, policy, connection.localPort)
  return isForSidecar ? { ...parsed, absolute: false } : parsed
}

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '')
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}

/** The host in the form of the `Host` field; undefined for the opaque origin "null". */
function hostOfOrigin(origin: string): string | undefined {
  return URL.parse(origin)?.host
}

const PAGE_ADVICE =
  'A web page in a browser on this machine sent the request. To allow it, add its origin to "access.origins".'

function denied(why: string, advice: string): SidecarError {
  return new SidecarError('egress_denied', `Cannot serve the request: ${why}`, { advice })
}
