/** Why a connection, or an exchange over it, failed, in the phrases that operators search for. */
export type NetworkFault = {
  readonly kind: 'unreachable' | 'tls' | 'timeout' | 'protocol' | 'reset'
  readonly reason: string
}

const UNKNOWN_AUTHORITY: NetworkFault = {
  kind: 'tls',
  reason: 'certificate signed by an unknown authority; "tls.ca" names the one to trust',
}
const NO_TLS: NetworkFault = {
  kind: 'tls',
  reason: 'the server does not speak TLS on this port',
}
const NO_COMMON_VERSION: NetworkFault = { kind: 'tls', reason: 'no common TLS version' }

const FAULTS: Readonly<Record<string, NetworkFault>> = {
  ECONNREFUSED: { kind: 'unreachable', reason: 'connection refused' },
  ENOTFOUND: { kind: 'unreachable', reason: 'DNS lookup failed: no such host' },
  EAI_AGAIN: { kind: 'unreachable', reason: 'temporary DNS failure' },
  EHOSTUNREACH: { kind: 'unreachable', reason: 'no route to host' },
  ENETUNREACH: { kind: 'unreachable', reason: 'network is unreachable' },
  EADDRNOTAVAIL: { kind: 'unreachable', reason: 'no local port available' },
  EMFILE: { kind: 'unreachable', reason: 'too many open files' },
  ENFILE: { kind: 'unreachable', reason: 'too many open files in the system' },
  ETIMEDOUT: { kind: 'timeout', reason: 'connection timed out' },
  UND_ERR_CONNECT_TIMEOUT: { kind: 'timeout', reason: 'connection timed out' },
  UND_ERR_HEADERS_TIMEOUT: { kind: 'timeout', reason: 'no response within the time limit' },
  UND_ERR_BODY_TIMEOUT: { kind: 'timeout', reason: 'the response body stalled' },
  ECONNRESET: { kind: 'reset', reason: 'connection reset by peer' },
  EPIPE: { kind: 'reset', reason: 'connection closed while sending' },
  UND_ERR_SOCKET: { kind: 'reset', reason: 'connection closed' },
  UND_ERR_HEADERS_OVERFLOW: {
    kind: 'protocol',
    reason: 'the response header section is too large',
  },
  UND_ERR_RES_EXCEEDED_MAX_SIZE: { kind: 'protocol', reason: 'the response is too large' },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    kind: 'protocol',
    reason: 'the response length differs from Content-Length',
  },
  CERT_HAS_EXPIRED: { kind: 'tls', reason: 'certificate has expired' },
  CERT_NOT_YET_VALID: { kind: 'tls', reason: 'certificate is not yet valid' },
  CERT_REVOKED: { kind: 'tls', reason: 'certificate has been revoked' },
  CERT_SIGNATURE_FAILURE: { kind: 'tls', reason: 'certificate signature is not valid' },
  DEPTH_ZERO_SELF_SIGNED_CERT: {
    kind: 'tls',
    reason: 'self-signed certificate; "tls.ca" names the one to trust',
  },
  SELF_SIGNED_CERT_IN_CHAIN: {
    kind: 'tls',
    reason: 'self-signed certificate in the chain; "tls.ca" names the one to trust',
  },
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  ERR_TLS_CERT_ALTNAME_INVALID: {
    kind: 'tls',
    reason: 'certificate is not valid for this host name; "tls.serverName" sets another',
  },
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: NO_COMMON_VERSION,
  ERR_SSL_UNSUPPORTED_PROTOCOL: NO_COMMON_VERSION,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: {
    kind: 'tls',
    reason: 'the server requires a client certificate; "tls.client" names one',
  },
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': {
    kind: 'tls',
    reason:
      'TLS handshake failure: the server accepts no offered version, cipher suite or certificate',
  },
  EPROTO: { kind: 'tls', reason: 'TLS handshake failed' },
}

/** An error may be its own cause. */
const MAX_CAUSE_DEPTH = 5

/** The meaning of a system, TLS or undici error; undefined for other errors. */
export function networkFault(error: unknown, depth = 0): NetworkFault | undefined {
  if (!(error instanceof Error) || depth > MAX_CAUSE_DEPTH) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // RFC 9110 section 15.2: a client must be able to parse an unexpected 100; undici fails.
  if (code === 'UND_ERR_SOCKET' && error.message === 'bad response') {
    return { kind: 'protocol', reason: 'unrequested interim response 100' }
  }
  if (code === 'UND_ERR_SOCKET' && error.message === 'bad upgrade') {
    return { kind: 'protocol', reason: 'unrequested switch of protocols' }
  }
  // How undici fails for a status below 100, and for a 101 (RFC 9110 section 15) without an upgrade.
  if (code === 'ERR_ASSERTION') {
    return {
      kind: 'protocol',
      reason: 'invalid status code, or an unrequested 101',
    }
  }
  const known = FAULTS[code]
  if (known !== undefined) return known
  if (error.name === 'HTTPParserError') {
    return { kind: 'protocol', reason: 'the response is not valid HTTP' }
  }
  if (/^(?:ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_)/.test(code)) {
    return { kind: 'tls', reason: `TLS handshake failed (${code})` }
  }
  // Node tries several addresses for one connection, and fetch wraps errors.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error.cause
  return networkFault(inner, depth + 1)
}
