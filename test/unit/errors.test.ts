import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  clientClosed,
  FAILURE_CODES,
  FAILURES,
  type FailureCode,
  SidecarError,
  toSidecarError,
} from '../../src/errors.ts'

/** The statuses in docs/failures.md. */
const STATUS: Readonly<Record<FailureCode, number>> = {
  request_invalid: 400,
  request_timeout: 408,
  headers_too_large: 431,
  method_not_supported: 501,
  expectation_failed: 417,
  request_loop: 502,
  misdirected_request: 421,
  too_many_connections: 503,
  route_not_found: 404,
  egress_denied: 403,
  proxy_authentication_required: 407,
  client_denied: 403,
  token_unavailable: 503,
  token_rejected: 502,
  token_invalid: 502,
  upstream_unreachable: 502,
  upstream_proxy: 502,
  upstream_tls: 502,
  upstream_protocol: 502,
  upstream_reset: 502,
  upstream_timeout: 504,
  client_closed: 499,
  internal_error: 500,
}

/** The error types that RFC 9209 section 2.3 registers. */
const PROXY_ERROR_TYPES = new Set([
  'dns_timeout',
  'dns_error',
  'destination_not_found',
  'destination_unavailable',
  'destination_ip_prohibited',
  'destination_ip_unroutable',
  'connection_refused',
  'connection_terminated',
  'connection_timeout',
  'connection_read_timeout',
  'connection_write_timeout',
  'connection_limit_reached',
  'tls_protocol_error',
  'tls_certificate_error',
  'tls_alert_received',
  'http_request_error',
  'http_request_denied',
  'http_response_incomplete',
  'http_response_header_section_size',
  'http_response_header_size',
  'http_response_body_size',
  'http_response_trailer_section_size',
  'http_response_trailer_size',
  'http_response_transfer_coding',
  'http_response_content_coding',
  'http_response_timeout',
  'http_upgrade_failed',
  'http_protocol_error',
  'proxy_internal_response',
  'proxy_internal_error',
  'proxy_configuration_error',
  'proxy_loop_detected',
])

test('the failures are those that are documented', () => {
  expect(FAILURE_CODES.toSorted()).toEqual(Object.keys(STATUS).toSorted())
})

test.for(FAILURE_CODES)(
  '%s has its status, a title and a registered type of proxy error',
  (code) => {
    expect(FAILURES[code].status).toBe(STATUS[code])
    expect(FAILURES[code].title).toMatch(/^[A-Z][^.]+$/)
    expect(PROXY_ERROR_TYPES).toContain(FAILURES[code].proxyError)
    expect(new SidecarError(code, 'Cannot').status).toBe(STATUS[code])
  },
)

test('an error carries what is said about it, and where it came from', () => {
  const cause = new Error('ECONNREFUSED')
  const error = new SidecarError('token_rejected', 'Cannot get a token', {
    cause,
    retryAfterMs: 1_500,
    oauthError: 'invalid_client',
  })
  expect(error).toMatchObject({
    name: 'SidecarError',
    message: 'Cannot get a token',
    code: 'token_rejected',
    status: 502,
    retryAfterMs: 1_500,
    oauthError: 'invalid_client',
    cause,
  })
})

test('an error of ours stays itself, and anything else is a fault of ours that tells nothing', () => {
  const own = clientClosed()
  expect(own.code).toBe('client_closed')
  expect(toSidecarError(own)).toBe(own)
  for (const thrown of [new TypeError('canary'), 'canary', undefined]) {
    const error = toSidecarError(thrown)
    expect(error).toMatchObject({ code: 'internal_error', status: 500, cause: thrown })
    expect(error.message).not.toContain('canary')
  }
})

test('docs/grpc.md lists the gRPC status of each failure', () => {
  const rows = [
    ...readFileSync('docs/grpc.md', 'utf8').matchAll(/^\| `(\w+)` +\| (\d+) [A-Z_]+ +\|$/gm),
  ]
  expect(rows.map(([, code, status]) => [code, Number(status)])).toEqual(
    FAILURE_CODES.map((code) => [code, FAILURES[code].grpcStatus]),
  )
})
