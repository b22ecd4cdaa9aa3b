import { SidecarError } from '../errors.ts'
import { isLocalName, isLoopbackHost } from '../lib/loopback.ts'
import type { RequestHead } from '../http/request-head.ts'
import { parseRequestTarget, type RequestTarget } from './request-target.ts'

/** Which callers are served, and by which names they may know us. */
export type CallerPolicy = {
  /** The address that we listen on, in lower case; undefined for a Unix socket. */
  readonly listenHost: string | undefined
  /** Further names, in lower case and without a port, by which the application calls us. */
  readonly hosts: ReadonlySet<string>
  /** Web pages that may ask, as `Origin` spells them. */
  readonly origins: ReadonlySet<string>
}

/** Fails with `egress_denied` for what a web page may have sent. */
type WebPageGuard = (head: RequestHead, target: RequestTarget) => void

/**
 * Keeps out web pages that are open in a browser on this machine: anything that can send a request
 * here would get a token otherwise. A page can't hide where it is from (`Origin`, Fetch Metadata), nor
 * the name under which it found us: after DNS rebinding that is a name of the attacker's. `isRouted`
 * tells hosts that a route names.
 */
export function createWebPageGuard(
  { listenHost, hosts, origins }: CallerPolicy,
  isRouted: (host: string) => boolean,
): WebPageGuard {
  // What is not bound to loopback is called by names that nobody can know here.
  const isOnLoopback = listenHost !== undefined && isLoopbackHost(listenHost)
  /** The last that was found good: an application calls us by one name, mostly. */
  let known: string | undefined
  const isOurs = (host: string): boolean => {
    if (host === known) return true
    const name = withoutPort(host)
    const isGood = isLocalName(name) || hosts.has(name) || isRouted(host)
    if (isGood) known = host
    return isGood
  }
  return ({ origin, fetchSite }, target) => {
    const isInvited = origin !== undefined && origins.has(origin.toLowerCase())
    if (origin !== undefined && !isInvited && hostOfOrigin(origin) !== target.host) {
      throw denied(
        'it comes from a web page of another origin; "access.origins" lists those that may',
        PAGE_ADVICE,
      )
    }
    const isSameSite =
      fetchSite === undefined || fetchSite === 'same-origin' || fetchSite === 'none'
    if (!isSameSite && !isInvited) {
      throw denied('a browser sent it for a web page of another site', PAGE_ADVICE)
    }
    // Only HTTP/1.0 may leave the host out, and no browser does.
    if (isOnLoopback && !target.absolute && target.host !== '' && !isOurs(target.host)) {
      throw denied(
        `"${target.host}" is no name of this listener; "access.hosts" lists further ones`,
        'If the application knows the sidecar by this name, add it to "access.hosts". If not, a web page may have been bound to a local address (DNS rebinding), and the sidecar did its work.',
      )
    }
  }
}

/** Whether an absolute target (RFC 9112 section 3.2.2) means the sidecar itself, and not a host behind it. */
function isOwnAddress(
  { host, scheme }: RequestTarget,
  { listenHost, hosts }: CallerPolicy,
  localPort: number | undefined,
): boolean {
  const name = withoutPort(host)
  const isOurs = isLocalName(name) || hosts.has(name) || unbracketed(name) === listenHost
  // A Unix socket has no port that could tell.
  return (
    isOurs &&
    (localPort === undefined ||
      Number(host.slice(name.length + 1) || (scheme === 'https' ? 443 : 80)) === localPort)
  )
}

/**
 * Where a request is addressed to. An absolute target that names the sidecar itself is treated as a
 * path.
 */
export function readTarget(
  { target, hosts, version }: RequestHead,
  connection: { readonly localPort?: number | undefined; readonly encrypted?: boolean | undefined },
  callers: CallerPolicy,
): RequestTarget {
  const scheme = connection.encrypted === true ? 'https' : 'http'
  const asked = parseRequestTarget(target, hosts, version, scheme)
  const isForUs = asked.absolute && isOwnAddress(asked, callers, connection.localPort)
  return isForUs ? { ...asked, absolute: false } : asked
}

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '')
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}

/** As a `Host` header spells it; undefined for "null", which has none. */
function hostOfOrigin(origin: string): string | undefined {
  return URL.parse(origin)?.host
}

const PAGE_ADVICE =
  'A web page in a browser on this machine sent the request. If it may, add its origin to "access.origins". If not, the sidecar did its work.'

function denied(why: string, advice: string): SidecarError {
  return new SidecarError('egress_denied', `Cannot serve the request: ${why}`, { advice })
}
