/**
 * Every way in which the sidecar itself fails a request, and how that looks from outside:
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
    title: 'The client took too long',
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
    title: 'The request expects what cannot be met',
    proxyError: 'http_request_error',
    grpcStatus: 13,
  },
  request_loop: {
    status: 502,
    title: 'The request goes in a circle',
    proxyError: 'proxy_loop_detected',
    grpcStatus: 13,
  },
  too_many_connections: {
    status: 503,
    title: 'Too many connections at once',
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
  token_unavailable: {
    status: 503,
    title: 'No access token can be had at the moment',
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
    title: 'The answer of the authorization server cannot be used',
    proxyError: 'proxy_internal_error',
    grpcStatus: 14,
  },
  upstream_unreachable: {
    status: 502,
    title: 'The upstream cannot be reached',
    proxyError: 'destination_unavailable',
    grpcStatus: 14,
  },
  upstream_tls: {
    status: 502,
    title: 'No trustworthy TLS connection to the upstream',
    proxyError: 'tls_certificate_error',
    grpcStatus: 14,
  },
  upstream_protocol: {
    status: 502,
    title: 'The upstream did not answer in valid HTTP',
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
    title: 'The upstream took too long',
    proxyError: 'http_response_timeout',
    grpcStatus: 4,
  },
  // Nobody is left to read these two; the status is for the log and the metrics.
  client_closed: {
    status: 499,
    title: 'The client went away',
    proxyError: 'http_request_error',
    grpcStatus: 1,
  },
  internal_error: {
    status: 500,
    title: 'A fault in token-sidecar itself',
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
  /** When it makes sense to try again, from now. */
  readonly retryAfterMs?: number
  /** The registered OAuth error code (RFC 6749 section 5.2, RFC 8707) that the server gave. */
  readonly oauthError?: string
  /** What to do about it, where more is known than the code tells. */
  readonly advice?: string
  /** What the server said about its refusal, made presentable; for interactive commands only. */
  readonly serverText?: string
  readonly retry?: Retry
}

/**
 * Whether the request that failed may be sent again on another connection: always, if it was certainly
 * not sent; or only an idempotent one (RFC 9110 section 9.2.2), if it may have been processed.
 */
export type Retry = 'always' | 'if idempotent'

/**
 * The one error that crosses a file's border. Its message is shown to the application and written
 * to the log: it never holds a token, a secret, or text that another server chose.
 */
export class SidecarError extends Error {
  override readonly name = 'SidecarError'
  readonly code: FailureCode
  readonly retryAfterMs: number | undefined
  readonly oauthError: string | undefined
  readonly advice: string | undefined
  // Private, so that nothing that serializes or inspects an error shows it.
  readonly #serverText: string | undefined
  readonly retry: Retry | undefined

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause })
    this.code = code
    this.retryAfterMs = details.retryAfterMs
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

/** The client left before its answer was complete. */
export function clientClosed(): SidecarError {
  return new SidecarError('client_closed', 'Cannot answer: the client closed the connection')
}

/** Anything thrown, as a SidecarError; what is not one already is a fault of ours. */
export function toSidecarError(thrown: unknown): SidecarError {
  if (thrown instanceof SidecarError) return thrown
  return new SidecarError('internal_error', 'Cannot handle the request: an unexpected error', {
    cause: thrown,
  })
}

function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(FAILURES, code)
}
