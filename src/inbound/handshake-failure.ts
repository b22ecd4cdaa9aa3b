import type { HandshakeFailure } from '../observe/interception-record.ts'

/** What is known of a handshake that failed. */
export type FailedHandshake = {
  /** The code of the error of OpenSSL or the system; undefined where the client closed the connection. */
  readonly code: string | undefined
  /** The server name of the client (RFC 6066 section 3). */
  readonly serverName: string | undefined
  /** The protocols that the client offered by ALPN; undefined where it offered none. */
  readonly alpn: readonly string[] | undefined
}

const TRUST =
  'Have the application trust the CA of the sidecar ("token-sidecar ca" shows how): SSL_CERT_FILE for OpenSSL, Go, curl and Python; REQUESTS_CA_BUNDLE for Python requests; NODE_EXTRA_CA_CERTS for Node; GIT_SSL_CAINFO for git; "ca_certificate" in WGETRC for wget; javax.net.ssl.trustStore for Java; GRPC_DEFAULT_SSL_ROOTS_FILE_PATH for gRPC.'

const PINNED =
  'An application that pins the certificate of the host cannot be intercepted: have it call the base URL of the sidecar.'

const NO_SNI =
  'The application is too old, or calls the host by its IP address: have it send the server name (SNI), or call the base URL of the sidecar.'

/** Alerts about the certificate (RFC 8446 section 6.2). OpenSSL 3.5 has renamed some of them. */
const CERTIFICATE_ALERT = /_ALERT_(?:NO_)?(?:BAD_|UNSUPPORTED_)?CERTIFICATE/

/** OpenSSL finds no certificate, because none is configured for a client without a server name. */
const NO_CERTIFICATE: ReadonlySet<string> = new Set([
  'ERR_SSL_NO_SHARED_CIPHER',
  'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM',
])

const PROTOCOL_ERRORS: ReadonlySet<string> = new Set([
  ...NO_CERTIFICATE,
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_NO_SUITABLE_KEY_SHARE',
  'ERR_SSL_NO_SHARED_GROUPS',
  'ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS',
])

/** Why a client did not complete the TLS handshake, and what to do about it. */
export function handshakeFailure({ code, serverName, alpn }: FailedHandshake): HandshakeFailure {
  if (code === undefined || code === 'ECONNRESET' || code === 'EPIPE') return closedWithoutRequest()
  if (code.endsWith('_ALERT_UNKNOWN_CA')) {
    return {
      outcome: 'unknown_ca',
      reason: 'the client does not trust the CA of the sidecar (alert "unknown CA")',
      advice: TRUST,
    }
  }
  if (CERTIFICATE_ALERT.test(code)) {
    return {
      outcome: 'bad_certificate',
      reason: `the client rejects the certificate: it does not trust the CA of the sidecar, or pins another one (${code})`,
      advice: `${TRUST} ${PINNED}`,
    }
  }
  if (serverName === undefined && NO_CERTIFICATE.has(code)) return withoutServerName()
  if (code === 'ERR_SSL_NO_APPLICATION_PROTOCOL') {
    return {
      outcome: 'protocol',
      reason: `no common application protocol: the client offers ${listOf(alpn)} only`,
      advice:
        'If the client requires HTTP/2, the upstream of the routes for this host does not speak it, or "http2" of a route is "never".',
    }
  }
  return PROTOCOL_ERRORS.has(code)
    ? {
        outcome: 'protocol',
        reason: `the client and the sidecar have no TLS version or algorithm in common (${code})`,
        advice: 'The application needs TLS 1.2 or newer, with ECDSA certificates (P-256).',
      }
    : {
        outcome: 'other',
        reason: `the TLS handshake failed (${code})`,
        advice: 'Compare the TLS settings of the application with those of a client that works.',
      }
}

export function closedWithoutRequest(): HandshakeFailure {
  return {
    outcome: 'closed',
    reason: 'the client closed the connection without a request',
    advice: `Many clients, such as Node, wget and git, do so when they do not trust the certificate. ${TRUST} ${PINNED}`,
  }
}

function withoutServerName(): HandshakeFailure {
  return {
    outcome: 'no_sni',
    reason: 'the client sent no server name (SNI)',
    advice: NO_SNI,
  }
}

export function handshakeTimeout(): HandshakeFailure {
  return {
    outcome: 'timeout',
    reason: 'the client did not complete the TLS handshake in time',
    advice:
      'The application opened a connection and did not use it, or is stalled; "limits.headersTimeout" limits how long the sidecar waits.',
  }
}

export function plainHttp(): HandshakeFailure {
  return {
    outcome: 'plain_http',
    reason: 'the client speaks plain HTTP inside of CONNECT, where TLS is expected',
    advice:
      'Have the application use https (or wss) for this host, or send http requests to the proxy without CONNECT.',
  }
}

export function otherServerName(serverName: string, host: string): HandshakeFailure {
  return {
    outcome: 'sni_mismatch',
    reason: `the client sent the server name "${serverName}" (SNI) on a connection to "${host}"`,
    advice:
      'The application must send the server name of the host that it connects to; its requests get 421.',
  }
}

function listOf(alpn: readonly string[] | undefined): string {
  const known = (alpn ?? []).filter((protocol) => /^[\w./-]{1,32}$/.test(protocol)).slice(0, 5)
  return known.length === 0
    ? 'other protocols'
    : known.map((protocol) => `"${protocol}"`).join(', ')
}
