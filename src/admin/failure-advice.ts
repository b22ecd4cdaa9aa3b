import type { FailureCode } from '../errors.ts'
import { oauthErrorAdvice } from '../tokens/oauth-error.ts'

/** What to do about a failure, for the operator on call. */
const ADVICE: Readonly<Record<FailureCode, string>> = {
  request_invalid: 'The application sends a malformed or ambiguous request: correct it there.',
  request_timeout:
    'The application stopped sending its request, or reading the response: look at its log, and at the network between it and the sidecar.',
  headers_too_large: 'Raise "limits.headers" if such headers are meant to be sent.',
  method_not_supported: 'The application uses a method that the sidecar does not forward.',
  expectation_failed: 'The application sends an "Expect" header other than 100-continue.',
  request_loop:
    'The upstream of a route leads back to this sidecar: correct "upstream" of the route.',
  too_many_connections:
    'The application opens more connections than "limits.connections" allows: raise it, or let the application reuse connections.',
  route_not_found:
    'No route matches the request: compare its host, path and method with "match" of the routes; "token-sidecar explain METHOD URL" shows which route a request takes.',
  egress_denied:
    'If the request should be allowed, add a route for its host, or see "access" and "forward" in the settings. If not, no action is needed.',
  proxy_authentication_required:
    'The caller sends no user name and password, or wrong ones: compare them with "auth.basic" of the listener. If the caller is unknown, find out who sends these requests: the log has its address.',
  client_denied:
    'The certificate of the caller is not in "auth.clientCertificates" of the listener: add its name if the caller is to be served.',
  misdirected_request:
    'The application sends a request on a connection that it opened to another host: the server name of TLS, the host of CONNECT and the Host header must agree.',
  token_unavailable:
    'The authorization server is unreachable, returns errors or is rate limiting. The request is retried automatically; check that the server is up and reachable from here.',
  token_rejected:
    'The authorization server rejects the token request: compare the client ID, the secret or key, and the requested scopes and audience with the registration.',
  token_invalid:
    'The response of the authorization server contains no usable token: check "issuer" or "tokenEndpoint", and whether a proxy responds in its place.',
  upstream_unreachable: 'Check that the API is up, its host name and port, and the network.',
  upstream_proxy:
    'The proxy is at fault, not the API: check that it is up, that it allows this destination, and "url", "username", "password" and "tls.ca" of "proxy".',
  upstream_tls:
    'Check the certificate of the API, its names and validity, and "tls.ca" of the route if a private authority issued it.',
  upstream_protocol: 'Check the scheme and the port of "upstream": the server may not speak HTTP.',
  upstream_reset:
    'The API, or a load balancer or proxy in front of it, closes connections: see its log at that time.',
  upstream_timeout:
    'The API is slow or overloaded: look there first. "timeouts" of the route limit how long the sidecar waits.',
  client_closed: 'The application closed the connection before it had the response.',
  internal_error: 'A fault in token-sidecar: please report it with its log line.',
}

/** For requests that are forwarded without a route (`forward: pass`). */
const ADVICE_WITHOUT_ROUTE: Partial<Record<FailureCode, string>> = {
  request_loop:
    'The target of the request leads back to this sidecar: correct it in the application.',
  upstream_tls:
    'Check the certificate of the API, its names and validity. If a private authority issued it, add a route for its host with "tls.ca".',
  upstream_protocol:
    'Check the scheme and the port that the application uses: the server may not speak HTTP.',
  upstream_timeout:
    'The API is slow or overloaded: look there first. For other time limits, add a route for its host with "timeouts".',
}

/** The error code of the authorization server is more specific than the code of the failure. */
export function failureAdvice(
  code: FailureCode,
  oauthError: string | undefined,
  hasRoute = true,
): string {
  return oauthErrorAdvice(oauthError) ?? (hasRoute ? ADVICE[code] : adviceWithoutRoute(code))
}

function adviceWithoutRoute(code: FailureCode): string {
  return ADVICE_WITHOUT_ROUTE[code] ?? ADVICE[code]
}
