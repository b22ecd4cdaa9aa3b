import type { FailureCode } from '../errors.ts'
import { oauthErrorAdvice } from '../tokens/oauth-error.ts'

/** What to do about a failure, for the person who was woken up by it. */
const ADVICE: Readonly<Record<FailureCode, string>> = {
  request_invalid:
    'The application sends what HTTP forbids, or what two programs could read differently: it has to be put right there.',
  request_timeout:
    'The application stopped sending its request, or reading the response: look at its log, and at the network between it and the sidecar.',
  headers_too_large: 'Raise "limits.headers" if such headers are meant to be sent.',
  method_not_supported: 'The application uses a method that the sidecar does not pass on.',
  expectation_failed:
    'The application sends an "Expect" header with something else than 100-continue.',
  request_loop:
    'The upstream of a route leads back to this sidecar: correct "upstream" of the route.',
  too_many_connections:
    'The application opens more connections than "limits.connections" allows: raise it, or have connections used again.',
  route_not_found:
    'No route matches what the application asked for: compare host, path and method with "match" of the routes; "token-sidecar explain METHOD URL" shows how it is decided.',
  egress_denied:
    'If the request is meant to pass: add a route for its host, or see "access" and "forward" in the settings. If not, the sidecar did its work.',
  token_unavailable:
    'The authorization server does not answer, fails or asks for patience. It is asked again by itself; check that it is up, and can be reached from here.',
  token_rejected:
    'The authorization server refuses: compare the client identifier, the secret or key, and what is asked for with the registration.',
  token_invalid:
    'The authorization server answers with something else than a token: check "issuer" or "tokenEndpoint", and whether a proxy answers in its place.',
  upstream_unreachable:
    'Check that the API is up, and that its name, its port and the network between are right.',
  upstream_tls:
    'Check the certificate of the API, its names and its dates, and "tls.ca" of the route if it has an authority of its own.',
  upstream_protocol:
    'Check that "upstream" names the right port and scheme: something else than an HTTP server may be there.',
  upstream_reset:
    'The API, or something on the way to it, cuts connections off: look at its log at that time.',
  upstream_timeout:
    'The API is too slow or overloaded: look there first. "timeouts" of the route say how long the sidecar waits.',
  client_closed: 'The application did not wait for the answer.',
  internal_error: 'A fault in token-sidecar: please report it with its log line.',
}

/** The same for requests that no route names, which pass without one (`forward: pass`). */
const ADVICE_WITHOUT_ROUTE: Partial<Record<FailureCode, string>> = {
  request_loop:
    'The target of the request leads back to this sidecar: correct it in the application.',
  upstream_tls:
    'Check the certificate of the API, its names and its dates. If it has an authority of its own, add a route for its host, with "tls.ca".',
  upstream_protocol:
    'Check that the application uses the right port and scheme: something else than an HTTP server may be there.',
  upstream_timeout:
    'The API is too slow or overloaded: look there first. Other time limits take a route for its host, with "timeouts".',
}

/** The server's own reason tells more than the kind of the failure. */
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
