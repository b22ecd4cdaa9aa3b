import { type Connected, composeUpstreamProbes } from '../compose/upstream-probes.ts'
import type { Config } from '../config/schema.ts'
import type { SecretPlaces } from '../config/secret-ref.ts'
import { systemClock } from '../lib/clock.ts'
import { networkFault } from '../lib/network-fault.ts'

export type ProbedUpstream = {
  readonly origin: string
  readonly routes: readonly string[]
} & ({ readonly connected: Connected } | { readonly fault: string })

const MAX_CONCURRENT = 8

/** Connects to every upstream, several at a time; the results come in the order of the routes. */
export async function* probeUpstreams(
  config: Config,
  places: SecretPlaces,
): AsyncGenerator<ProbedUpstream> {
  const probes = composeUpstreamProbes(config, places, systemClock)
  const running: Promise<ProbedUpstream>[] = []
  const start = (index: number): void => {
    const probe = probes[index]
    if (probe === undefined) return
    const { origin, routes } = probe
    running[index] = probe.connect().then(
      (connected) => ({ origin, routes, connected }),
      (cause: unknown) => ({ origin, routes, fault: faultOf(cause) }),
    )
  }
  let started = Math.min(MAX_CONCURRENT, probes.length)
  for (let index = 0; index < started; index += 1) start(index)
  for (let index = 0; index < probes.length; index += 1) {
    const result = running[index]
    if (result === undefined) return
    yield await result
    start(started)
    started += 1
  }
}

const UNKNOWN_AUTHORITY =
  'certificate signed by an unknown authority; "tls.ca" names the one to trust'
const NEEDS_CERTIFICATE = 'the server requires a client certificate; "tls.client" names one'

/** The usual phrases, which people search for. */
const PHRASES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EAI_AGAIN: 'temporary DNS failure',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ENOTFOUND: 'DNS lookup failed: no such host',
  ETIMEDOUT: 'connection timed out',
  upstream_timeout: 'connection timed out',
  upstream_protocol: 'HTTP/2 is not negotiated (ALPN); "http2" of the route requires it',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_REVOKED: 'certificate has been revoked',
  CERT_SIGNATURE_FAILURE: 'certificate signature is not valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate; "tls.ca" names the one to trust',
  SELF_SIGNED_CERT_IN_CHAIN:
    'self-signed certificate in the chain; "tls.ca" names the one to trust',
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  ERR_TLS_CERT_ALTNAME_INVALID:
    'certificate is not valid for this host name; "tls.serverName" sets another',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server does not speak TLS on this port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the server does not speak TLS on this port',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'no common TLS version',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'no common TLS version',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: NEEDS_CERTIFICATE,
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE':
    'TLS handshake failure: the server accepts no offered version, cipher suite or certificate',
}

function faultOf(cause: unknown): string {
  const code = codeOf(cause)
  const phrase = code === undefined ? undefined : PHRASES[code]
  return phrase ?? networkFault(cause)?.reason ?? `connection failed (${code ?? 'unknown reason'})`
}

/** The code of an error, or of the first of several addresses. */
function codeOf(cause: unknown): string | undefined {
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0])
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
}
