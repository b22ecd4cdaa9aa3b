import type { AuthorityReport, ReportedAuthority } from './ca-report.ts'
import { formatLines } from './format-lines.ts'
import type { Paint } from './paint.ts'

/** The result of `ca` for people. */
export function formatAuthorityReport(report: AuthorityReport, paint: Paint): string {
  const { kind, createdFor, authorities, notPermitted, warnings, runtimes } = report
  const notes = [
    ...(createdFor.length === 0 ? [] : [`created for ${createdFor.join(', ')}`]),
    ...(authorities.length === 0 ? ['none is needed, because no route names a host'] : []),
  ]
  const sections = [
    `${paint('bold', `Certificate authority (${kind})`)}${notes.length === 0 ? '' : `: ${notes.join(', ')}`}\n`,
    ...authorities.map(
      (authority) => `${authority.file}\n${formatLines(linesOf(authority), paint)}`,
    ),
    ...notPermitted.map((host) => `${paint('yellow', 'warning:')} it may not sign ${host}\n`),
    ...warnings.map((warning) => `${paint('yellow', 'warning:')} ${warning}\n`),
    `${paint('bold', 'Trust bundles for applications')}\n${formatLines(bundleLines(report), paint)}`,
    `${paint('bold', 'How applications trust it')}\n${formatLines(
      runtimes.map(({ runtime, setting }) => [runtime, setting]),
      paint,
    )}`,
  ]
  return sections.join('\n')
}

function linesOf({ names, addresses, unusedHosts, ...authority }: ReportedAuthority) {
  const { subject, sha256, expiresAt } = authority
  const lines: [string, string][] = [
    ['may sign', describeHosts(names, addresses)],
    ...(unusedHosts.length === 0
      ? []
      : [['not used', `${unusedHosts.join(', ')} (no route names it)`] satisfies [string, string]]),
    ['expires', expiresAt.slice(0, 10)],
    ['trusted', subject],
    ['SHA-256', sha256],
  ]
  return lines
}

function describeHosts(
  names: readonly string[] | null,
  addresses: readonly string[] | null,
): string {
  const parts = [
    ...(names === null ? ['every name'] : names.map((name) => `${name} and its subdomains`)),
    ...(addresses ?? ['every IP address']),
  ]
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}

function bundleLines({ bundle }: AuthorityReport): [string, string][] {
  const { pem, pkcs12, password } = bundle
  return [
    ['PEM', pem ?? 'none: set "intercept.bundle.pem"'],
    [
      'PKCS#12',
      pkcs12 === undefined
        ? 'none: set "intercept.bundle.pkcs12"'
        : `${pkcs12} (password "${password}")`,
    ],
  ]
}
