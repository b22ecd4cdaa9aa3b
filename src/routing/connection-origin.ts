import { SidecarError } from '../errors.ts'
import type { ConnectionOrigin } from '../http/inbound-request.ts'
import type { RequestHead } from '../http/request-head.ts'
import { parseRequestTarget, type RequestTarget } from './request-target.ts'

/**
 * Parses the target of a request on a connection to an origin, as if it were in absolute-form. Fails with
 * `misdirected_request` if the request is for another origin (RFC 9110 section 7.4), because the route of
 * one host must not be reached by a connection that was opened to another.
 */
export function readOriginTarget(
  { target, hosts, version }: Pick<RequestHead, 'target' | 'hosts' | 'version'>,
  { host, scheme, otherServerName }: ConnectionOrigin,
): RequestTarget {
  if (otherServerName !== undefined) {
    throw misdirected(
      `the TLS server name of its connection is "${otherServerName}", but CONNECT named "${host}"`,
    )
  }
  const parsed = parseRequestTarget(target, hosts, version, scheme)
  if (parsed.scheme !== scheme) {
    throw misdirected(
      `its scheme is ${parsed.scheme}, but its connection is to ${scheme}://${host ?? parsed.host}`,
    )
  }
  if (host === undefined) return { ...parsed, absolute: true }
  // HTTP/1.0 permits requests without a host.
  if (parsed.host !== '' && parsed.host !== host && !isSameAddress(parsed.host, host)) {
    throw misdirected(`it is for host "${parsed.host}", but its connection is to "${host}"`)
  }
  return { ...parsed, host, absolute: true }
}

/** An IPv6 address has several spellings (RFC 5952). */
function isSameAddress(one: string, other: string): boolean {
  return one.startsWith('[') && other.startsWith('[') && canonical(one) === canonical(other)
}

function canonical(host: string): string | undefined {
  return URL.parse(`http://${host}`)?.host
}

function misdirected(why: string): SidecarError {
  return new SidecarError('misdirected_request', `Cannot route the request: ${why}`, {
    advice:
      'The application sends a request on a connection that it opened to another host: the server name of TLS, the host of CONNECT and the Host header must agree.',
  })
}
