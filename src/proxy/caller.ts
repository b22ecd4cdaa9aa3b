import { SidecarError } from '../errors.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
import type { RequestHead } from './request-head.ts'
import type { RequestTarget } from './request-target.ts'

/** Which callers are served, and by which names they may know us. */
export type CallerPolicy = {
  /** The address that we listen on, in lower case; undefined for a Unix socket. */
  readonly listenHost: string | undefined
  /** Further names, in lower case and without a port, by which the application calls us. */
  readonly hosts: ReadonlySet<string>
  /** Web pages that may ask, as `Origin` spells them. */
  readonly origins: ReadonlySet<string>
}

/**
 * Keeps out web pages that are open in a browser on this machine: anything that can send a request
 * here would get a token otherwise. A page can't hide where it is from (`Origin`, Fetch Metadata), nor
 * the name under which it found us: after DNS rebinding that is a name of the attacker's. `isRouted`
 * tells hosts that a route names. Fails with `egress_denied`.
 */
export function refuseWebPages(
  head: RequestHead,
  target: RequestTarget,
  { listenHost, hosts, origins }: CallerPolicy,
  isRouted: (host: string) => boolean,
): void {
  const { origin, fetchSite } = head
  const isInvited = origin !== undefined && origins.has(origin.toLowerCase())
  if (origin !== undefined && !isInvited && hostOfOrigin(origin) !== target.host) {
    throw denied(
      'it comes from a web page of another origin; "access.origins" lists those that may',
    )
  }
  if (
    fetchSite !== undefined &&
    fetchSite !== 'same-origin' &&
    fetchSite !== 'none' &&
    !isInvited
  ) {
    throw denied('a browser sent it for a web page of another site')
  }
  // What is not bound to loopback is called by names that nobody can know here.
  if (listenHost === undefined || !isLoopbackHost(listenHost) || target.absolute) return
  const { host } = target
  const name = withoutPort(host)
  if (host === '' || isLoopbackHost(name) || hosts.has(name) || isRouted(host)) return
  throw denied(`"${host}" is no name of this listener; "access.hosts" lists further ones`)
}

/** Whether an absolute target (RFC 9112 section 3.2.2) means the sidecar itself, and not a host behind it. */
export function isOwnAddress(
  { host }: RequestTarget,
  { listenHost, hosts }: CallerPolicy,
  localPort: number | undefined,
): boolean {
  const name = withoutPort(host)
  const isOurs = isLoopbackHost(name) || hosts.has(name) || unbracketed(name) === listenHost
  // A Unix socket has no port that could tell.
  return (
    isOurs && (localPort === undefined || Number(host.slice(name.length + 1) || 80) === localPort)
  )
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

function denied(why: string): SidecarError {
  return new SidecarError('egress_denied', `Cannot serve the request: ${why}`)
}
