import type { DoctorFinding, InterceptedHostFacts, SidecarFacts } from './facts.ts'

const TRUST_FIX =
  'Have it trust the CA of the sidecar: "token-sidecar ca" shows the variable of each runtime.'
const PIN_FIX =
  'It cannot be intercepted: have it call the base URL of the sidecar, or remove the pin.'

/**
 * What the running sidecar has seen of applications. `hasTrust` is whether the environment of the application names
 * the CA of the sidecar, for which a rejected certificate means that another one is pinned.
 */
export function sidecarFindings(sidecar: SidecarFacts, hasTrust: boolean): DoctorFinding[] {
  const { ready, reasons, interception, rejected, failures } = sidecar
  const isRejected = (reason: string): boolean => (rejected[reason] ?? 0) > 0
  return [
    ...(ready
      ? []
      : [
          general(
            'sidecar_not_ready',
            `the sidecar is not ready: ${reasons.join('; ')}`,
            'Run "token-sidecar check --live", which requests each token.',
          ),
        ]),
    ...interception.flatMap((host) => handshakeFindings(host, hasTrust)),
    ...(isRejected('no_server_name') ? [withoutServerName(null)] : []),
    ...(isRejected('encrypted_hello') ? [withEncryptedName(null)] : []),
    ...(isRejected('no_interception')
      ? [
          general(
            'interception_off',
            'redirected TLS connections are closed, because "intercept" is not set',
            'Set "intercept" in the configuration, and have the application trust its CA.',
          ),
        ]
      : []),
    ...(isRejected('loop')
      ? [
          general(
            'dns',
            'the sidecar connects to itself: the name of an upstream leads back to the sidecar, or its own connections are redirected',
            'Remove the entry from /etc/hosts, and exclude the user of the sidecar from the redirect rules.',
          ),
        ]
      : []),
    ...failures.map(({ code, reason, advice }) =>
      general(isDnsFailure(reason) ? 'dns' : 'request_failed', `${code}: ${reason}`, advice),
    ),
  ]
}

function isDnsFailure(reason: string): boolean {
  return /DNS (?:lookup failed|failure)/.test(reason)
}

function handshakeFindings(
  { host, handshakes, reason }: InterceptedHostFacts,
  hasTrust: boolean,
): DoctorFinding[] {
  const count = (outcome: string): number => handshakes[outcome] ?? 0
  const findings: DoctorFinding[] = []
  // Clients may close a connection for other reasons, too.
  const closed = count('ok') === 0 ? count('closed') : 0
  if (count('unknown_ca') + count('bad_certificate') + closed > 0) {
    findings.push(
      hasTrust
        ? {
            code: 'certificate_pinned',
            host,
            runtime: null,
            message: `a client rejects the certificate for ${host}, although its environment names the CA: it pins another certificate, or has its own list of CAs`,
            fix: PIN_FIX,
          }
        : {
            code: 'ca_not_trusted',
            host,
            runtime: null,
            message: `a client rejects the certificate for ${host}: it does not trust the CA of the sidecar, or pins another certificate`,
            fix: `${TRUST_FIX} With a pin: ${PIN_FIX}`,
          },
    )
  }
  if (count('no_sni') > 0) findings.push(withoutServerName(host))
  if (count('sni_mismatch') > 0) findings.push(withEncryptedName(host))
  if (count('protocol') > 0 && reason?.includes('application protocol') === true) {
    findings.push({
      code: 'http2_required',
      host,
      runtime: null,
      message: `a client accepts HTTP/2 only, which the sidecar does not offer for ${host}`,
      fix: 'HTTP/2 is offered if the upstream speaks it: remove "http2: never" from its routes, or call an upstream with HTTP/2.',
    })
  }
  return findings
}

function withoutServerName(host: string | null): DoctorFinding {
  return {
    code: 'no_server_name',
    host,
    runtime: null,
    message: `a client sends no server name (SNI)${host === null ? '' : ` for ${host}`}, so no certificate can be chosen`,
    fix: 'Have it call the host by its name instead of an address, with a TLS library that sends the name.',
  }
}

function withEncryptedName(host: string | null): DoctorFinding {
  return {
    code: 'encrypted_client_hello',
    host,
    runtime: null,
    message: `a client sends another server name than that of the host${host === null ? '' : ` ${host}`}: it encrypts the name (ECH), or calls another host`,
    fix: 'Turn off Encrypted Client Hello in the client or in its resolver, which delivers the key in HTTPS records.',
  }
}

function general(code: DoctorFinding['code'], message: string, fix: string): DoctorFinding {
  return { code, host: null, runtime: null, message, fix }
}
