import type { CertificateAuthority } from '../certificates/certificate-authority.ts'
import {
  bundlePaths,
  namedHosts,
  openInterceptionAuthority,
} from '../compose/interception-authority.ts'
import { toSidecarError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { type AuthorityReport, reportAuthority } from './ca-report.ts'
import { formatAuthorityReport } from './ca-text.ts'
import { EXIT, type Io } from './io.ts'
import { createPaint } from './paint.ts'
import { printJson } from './print-json.ts'
import { readRunnableConfig } from './read-config.ts'

export type CaOptions = {
  readonly file: string
  /** Print the certificates that applications have to trust, in PEM form, and nothing else. */
  readonly root: boolean
  readonly json: boolean
}

/** `ca`: creates the certificate authority and the trust bundles if necessary, and shows them. */
export async function ca({ file, root, json }: CaOptions, io: Io): Promise<number> {
  const opened = await openConfigured(file, io)
  if (typeof opened === 'number') return opened
  const { authority, report } = opened
  authority.close()
  if (root) io.out(authority.roots().map(String).join(''))
  else if (json) printJson(report, io)
  else io.out(formatAuthorityReport(report, createPaint(io.isTerminal, io)))
  return EXIT.ok
}

type Opened = { readonly authority: CertificateAuthority; readonly report: AuthorityReport }

/** Secrets of credentials need not be readable. Returns an exit code if it fails. */
async function openConfigured(file: string, io: Io): Promise<Opened | number> {
  const read = await readRunnableConfig(file, io, ([section]) => section === 'intercept')
  if (read === undefined) return EXIT.configInvalid
  const { config, places } = read
  if (config.intercept === undefined) {
    io.err(
      `Cannot create a certificate authority: "${file}" has no "intercept"; add "intercept: { ca: { directory: ca } }"\n`,
    )
    return EXIT.failed
  }
  const warnings: string[] = []
  const logger = {
    info() {},
    warn: (fields: object, message: string) => void warnings.push(withFields(fields, message)),
  }
  try {
    const authority = await openInterceptionAuthority({
      config,
      places,
      clock: systemClock,
      logger,
    })
    if (authority === undefined) return EXIT.failed
    const report = reportAuthority({
      kind: config.intercept.ca.kind,
      authority,
      hosts: namedHosts(config),
      bundle: bundlePaths(config.intercept, places.resolvePath),
      warnings,
    })
    return { authority, report }
  } catch (cause) {
    io.err(`${toSidecarError(cause).message}\n`)
    return EXIT.failed
  }
}

function withFields(fields: object, message: string): string {
  const values = Object.values(fields).flat()
  return values.length === 0 ? message : `${message} (${values.join(', ')})`
}
