/**
 * Every failure that the sidecar itself reports, and how it is reported:
 * the status, the title of the problem document (RFC 9457), the error type of `Proxy-Status` (RFC 9209
 * section 2.3) and the status code of gRPC (grpc/grpc, doc/statuscodes.md).
 */
export const FAILURES = {
  request_invalid: {
    status: 400,
    title: 'The request is malformed or ambiguous',
    proxyError: 'http_request_error',
    grpcStatus: 13,
  },
  request_timeout: {
    status: 408,
    title: 'The client did not send or read in time',
    proxyError: 'http_request_error',
    grpcStatus: 4,
  },
  headers_too_large: {
    status: 431,
    title: 'The request header section is too large',
    proxyError: 'http_request_error',
    grpcStatus: 8,
  },
  method_not_supported: {
    status: 501,
    title: 'The method is not supported',
    proxyError: 'http_request_error',
    grpcStatus: 12,
  },
  expectation_failed: {
    status: 417,
    title: 'The expectation of the request cannot be met',
    proxyError: 'http_request_error',
    grpcStatus: 13,
  },
  request_loop: {
    status: 502,
    title: 'Forwarding loop detected',
    proxyError: 'proxy_loop_detected',
    grpcStatus: 13,
  },
  too_many_connections: {
    status: 503,
    title: 'Too many open connections',
    proxyError: 'http_request_denied',
    grpcStatus: 14,
  },
  route_not_found: {
    status: 404,
    title: 'No route matches the request',
    proxyError: 'destination_not_found',
    grpcStatus: 12,
  },
  egress_denied: {
    status: 403,
    title: 'No route allows this destination',
    proxyError: 'http_request_denied',
    grpcStatus: 7,
  },
  // RFC 9110 section 15.5.8.
  proxy_authentication_required: {
    status: 407,
    title: 'The listener requires a user name and a password',
    proxyError: 'http_request_denied',
    grpcStatus: 16,
  },
  client_denied: {
    status: 403,
    title: 'The listener does not allow this client',
    proxyError: 'http_request_denied',
    grpcStatus: 7,
  },
  // RFC 9110 section 15.5.20.
  misdirected_request: {
    status: 421,
    title: 'The request is for another host than its connection',
    proxyError: 'http_request_error',
    grpcStatus: 13,
  },
  token_unavailable: {
    status: 503,
    title: 'No access token is available',
    proxyError: 'proxy_internal_error',
    grpcStatus: 14,
  },
  token_rejected: {
    status: 502,
    title: 'The authorization server refused to issue an access token',
    proxyError: 'proxy_configuration_error',
    grpcStatus: 16,
  },
  token_invalid: {
    status: 502,
    title: 'The response of the authorization server is not usable',
    proxyError: 'proxy_internal_error',
    grpcStatus: 14,
  },
  upstream_unreachable: {
    status: 502,
    title: 'The upstream cannot be reached',
    proxyError: 'destination_unavailable',
    grpcStatus: 14,
  },
  upstream_proxy: {
    status: 502,
    title: 'The proxy in front of the upstream cannot be used',
    proxyError: 'destination_unavailable',
    grpcStatus: 14,
  },
  upstream_tls: {
    status: 502,
    title: 'TLS connection to the upstream failed',
    proxyError: 'tls_certificate_error',
    grpcStatus: 14,
  },
  upstream_protocol: {
    status: 502,
    title: 'The upstream did not send a valid HTTP response',
    proxyError: 'http_protocol_error',
    grpcStatus: 13,
  },
  upstream_reset: {
    status: 502,
    title: 'The upstream closed the connection',
    proxyError: 'connection_terminated',
    grpcStatus: 14,
  },
  upstream_timeout: {
    status: 504,
    title: 'The upstream did not respond in time',
    proxyError: 'http_response_timeout',
    grpcStatus: 4,
  },
  // The client has closed its connection: the status is for the log and metrics only (499 as in nginx).
  client_closed: {
    status: 499,
    title: 'The client closed the connection',
    proxyError: 'http_request_error',
    grpcStatus: 1,
  },
  internal_error: {
    status: 500,
    title: 'Internal error in token-sidecar',
    proxyError: 'proxy_internal_error',
    grpcStatus: 13,
  },
} as const satisfies Record<
  string,
  { status: number; title: string; proxyError: string; grpcStatus: number }
>

export type FailureCode = keyof typeof FAILURES

export const FAILURE_CODES = Object.keys(FAILURES).filter(isFailureCode)

export type FailureDetails = {
  readonly cause?: unknown
  /** How long to wait before another attempt. */
  readonly retryAfterMs?: number
  /** The rest of a back-off that the failure of another sidecar of the fleet has started. */
  readonly backoffMs?: number
  /** The registered OAuth error code (RFC 6749 section 5.2, RFC 8707) that the server gave. */
  readonly oauthError?: string
  /** What to do about it, where that depends on more than the code. */
  readonly advice?: string
  /** The sanitised `error_description` of the server; for interactive commands only. */
  readonly serverText?: string
  readonly retry?: Retry
}

/**
 * Whether the request that failed may be sent again on another connection: always, if it was certainly
 * not sent; or only an idempotent one (RFC 9110 section 9.2.2), if it may have been processed.
 */
export type Retry = 'always' | 'if idempotent'

/**
 * The error of this program. Its message is sent to the application and written to the log, so it never
 * contains a token, a secret, or text that another server chose.
 */
export class SidecarError extends Error {
  override readonly name = 'SidecarError'
  readonly code: FailureCode
  readonly retryAfterMs: number | undefined
  readonly backoffMs: number | undefined
  readonly oauthError: string | undefined
  readonly advice: string | undefined
  // Private, so that serializing or inspecting an error does not show it.
  readonly #serverText: string | undefined
  readonly retry: Retry | undefined

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause })
    this.code = code
    this.retryAfterMs = details.retryAfterMs
    this.backoffMs = details.backoffMs
    this.oauthError = details.oauthError
    this.advice = details.advice
    this.#serverText = details.serverText
    this.retry = details.retry
  }

  /** For interactive commands only: never for a log, a metric or a response. */
  get serverText(): string | undefined {
    return this.#serverText
  }

  get status(): number {
    return FAILURES[this.code].status
  }
}

/** The client closed its connection before the response was complete. */
export function clientClosed(): SidecarError {
  return new SidecarError(
    'client_closed',
    'Cannot send the response: the client closed the connection',
  )
}

/** Converts anything thrown; an error of another type is an internal error. */
export function toSidecarError(thrown: unknown): SidecarError {
  if (thrown instanceof SidecarError) return thrown
  return new SidecarError('internal_error', 'Cannot handle the request: an unexpected error', {
    cause: thrown,
  })
}

function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(FAILURES, code)
}
