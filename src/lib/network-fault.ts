/** Why a connection or an exchange over it failed, told so that a person can act on it. */
export type NetworkFault = {
  readonly kind: 'unreachable' | 'tls' | 'timeout' | 'protocol' | 'reset'
  readonly reason: string
}

const FAULTS: Readonly<Record<string, NetworkFault>> = {
  ECONNREFUSED: { kind: 'unreachable', reason: 'the connection was refused' },
  ENOTFOUND: { kind: 'unreachable', reason: 'the host name is not known' },
  EAI_AGAIN: { kind: 'unreachable', reason: 'the name service did not answer' },
  EHOSTUNREACH: { kind: 'unreachable', reason: 'there is no way to the host' },
  ENETUNREACH: { kind: 'unreachable', reason: 'there is no way to the network' },
  EADDRNOTAVAIL: { kind: 'unreachable', reason: 'no local port is left' },
  EMFILE: { kind: 'unreachable', reason: 'the process has no file descriptor left' },
  ENFILE: { kind: 'unreachable', reason: 'the system has no file descriptor left' },
  ETIMEDOUT: { kind: 'timeout', reason: 'connecting took too long' },
  UND_ERR_CONNECT_TIMEOUT: { kind: 'timeout', reason: 'connecting took too long' },
  UND_ERR_HEADERS_TIMEOUT: { kind: 'timeout', reason: 'no response within the time limit' },
  UND_ERR_BODY_TIMEOUT: { kind: 'timeout', reason: 'the response body stalled' },
  ECONNRESET: { kind: 'reset', reason: 'the connection was reset' },
  EPIPE: { kind: 'reset', reason: 'the connection was closed while sending' },
  UND_ERR_SOCKET: { kind: 'reset', reason: 'the connection was closed' },
  UND_ERR_HEADERS_OVERFLOW: {
    kind: 'protocol',
    reason: 'the response header section is too large',
  },
  UND_ERR_RES_EXCEEDED_MAX_SIZE: { kind: 'protocol', reason: 'the response is too large' },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    kind: 'protocol',
    reason: 'the response does not have the length that it announced',
  },
  CERT_HAS_EXPIRED: { kind: 'tls', reason: 'its certificate has expired' },
  CERT_NOT_YET_VALID: { kind: 'tls', reason: 'its certificate is not valid yet' },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    kind: 'tls',
    reason: 'its certificate is self-signed; "tls.ca" names the one to trust',
  },
  SELF_SIGNED_CERT_IN_CHAIN: {
    kind: 'tls',
    reason: 'its certificate comes from an unknown authority; "tls.ca" names the one to trust',
  },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: {
    kind: 'tls',
    reason: 'its certificate comes from an unknown authority; "tls.ca" names the one to trust',
  },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: {
    kind: 'tls',
    reason: 'its certificate comes from an unknown authority; "tls.ca" names the one to trust',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    kind: 'tls',
    reason: 'its certificate is for another host name',
  },
  EPROTO: { kind: 'tls', reason: 'the TLS handshake failed' },
}

/** Errors wrap each other a few times, but one may be its own cause. */
const DEEPEST_CAUSE = 5

/** What a system, TLS or undici error means; undefined for an error that is none of these. */
export function networkFault(error: unknown, depth = 0): NetworkFault | undefined {
  if (!(error instanceof Error) || depth > DEEPEST_CAUSE) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // RFC 9110 section 15.2: a client that did not ask for it must be able to take a 100; undici is not.
  if (code === 'UND_ERR_SOCKET' && error.message === 'bad response') {
    return { kind: 'protocol', reason: 'it sent an interim response 100 that nobody asked for' }
  }
  if (code === 'UND_ERR_SOCKET' && error.message === 'bad upgrade') {
    return { kind: 'protocol', reason: 'it switched to a protocol that nobody asked for' }
  }
  // How undici fails for a status below 100, and for a 101 (RFC 9110 section 15) without an upgrade.
  if (code === 'ERR_ASSERTION') {
    return {
      kind: 'protocol',
      reason: 'its status code is invalid, or an unrequested 101',
    }
  }
  const known = FAULTS[code]
  if (known !== undefined) return known
  if (error.name === 'HTTPParserError') {
    return { kind: 'protocol', reason: 'the response is not valid HTTP' }
  }
  if (/^(?:ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_)/.test(code)) {
    return { kind: 'tls', reason: `the TLS handshake failed (${code})` }
  }
  // A connection tried over several addresses, and what fetch wraps an error in.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error.cause
  return networkFault(inner, depth + 1)
}
