import type { CertificateAuthority } from '../certificates/certificate-authority.ts'
import type { BundlePaths } from '../compose/interception-authority.ts'
import { type TrustInstruction, trustInstructions } from './trust-instructions.ts'

/** The result of `ca`, as `--json` prints it. */
export type AuthorityReport = {
  readonly kind: 'generated' | 'supplied'
  /** The hosts because of which an authority was created now. */
  readonly createdFor: readonly string[]
  readonly authorities: readonly ReportedAuthority[]
  /** Hosts that routes name and no authority may sign. */
  readonly notPermitted: readonly string[]
  readonly bundle: BundlePaths
  readonly warnings: readonly string[]
  readonly runtimes: readonly TrustInstruction[]
}

export type ReportedAuthority = {
  readonly file: string
  /** Null if they are not limited. Subdomains are included. */
  readonly names: readonly string[] | null
  readonly addresses: readonly string[] | null
  /** Those of the names and addresses that no route names. */
  readonly unusedHosts: readonly string[]
  readonly subject: string
  readonly sha256: string
  readonly expiresAt: string
}

export type ReportOptions = {
  readonly kind: AuthorityReport['kind']
  readonly authority: Pick<CertificateAuthority, 'describe' | 'createdFor' | 'permits'>
  /** The hosts that routes name. */
  readonly hosts: readonly string[]
  readonly bundle: BundlePaths
  readonly warnings: readonly string[]
}

export function reportAuthority(options: ReportOptions): AuthorityReport {
  const { kind, authority, hosts, bundle, warnings } = options
  return {
    kind,
    createdFor: authority.createdFor,
    authorities: authority
      .describe()
      .map(({ file, certificate, names, addresses, notAfterMs }) => ({
        file,
        names: names ?? null,
        addresses: addresses?.map(withoutPrefix) ?? null,
        unusedHosts:
          kind === 'supplied'
            ? []
            : [...(names ?? []), ...(addresses ?? []).map(withoutPrefix)].filter(
                (host) => !hosts.includes(host),
              ),
        subject: certificate.subject.split('\n').join(', '),
        sha256: certificate.fingerprint256,
        expiresAt: new Date(notAfterMs).toISOString(),
      })),
    notPermitted: hosts.filter((host) => !authority.permits(host)),
    bundle,
    warnings,
    runtimes: trustInstructions(bundle),
  }
}

/** A network of one address is written as the address. */
function withoutPrefix(network: string): string {
  return network.replace(network.includes(':') ? /\/128$/ : /\/32$/, '')
}
