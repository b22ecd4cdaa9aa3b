import type { X509Certificate } from 'node:crypto'
import { SidecarError, toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { fileProblem } from '../lib/file-problem.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import { ensureAuthorities } from './authority-directory.ts'
import { type CertificateIssuer, createCertificateIssuer } from './certificate-issuer.ts'
import type { SigningAuthority } from './signing-authority.ts'
import { type AuthorityFiles, readSuppliedAuthority } from './supplied-authority.ts'

export type CertificateAuthority = CertificateIssuer & {
  /** The certificates that applications have to trust. */
  readonly roots: () => readonly X509Certificate[]
  readonly close: () => void
}

type AuthoritySource =
  | { readonly kind: 'generated'; readonly directory: string }
  | { readonly kind: 'supplied'; readonly files: AuthorityFiles }

export type CertificateAuthorityOptions = {
  readonly source: AuthoritySource
  /** The hosts that a generated authority may sign: DNS names with their subdomains, and IP addresses. */
  readonly hosts: readonly string[]
  readonly readFile: (path: string) => Promise<string>
  readonly clock: Clock
  readonly logger: AuthorityLog
}

type AuthorityLog = {
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
}

/** What the files contain. */
type AuthorityState = {
  readonly authorities: readonly SigningAuthority[]
  readonly roots: readonly X509Certificate[]
  readonly fingerprint: string
}

/** How often the files are read again. */
const INTERVAL_MS = 30_000

/** Fails if the files cannot be used, or an authority cannot be created. Later it uses the last usable files. */
export async function openCertificateAuthority(
  options: CertificateAuthorityOptions,
): Promise<CertificateAuthority> {
  const { source, clock, logger } = options
  let current = await read(options)
  let lastProblem: string | undefined
  let isClosed = false
  let cancel = clock.schedule(INTERVAL_MS, () => void refresh())

  async function refresh(): Promise<void> {
    try {
      const next = await read(options)
      if (isClosed) return
      // The same object keeps the certificates of hosts in the cache.
      if (next.fingerprint !== current.fingerprint) {
        current = next
        logger.info({ ca: source }, 'certificate authority reloaded')
      }
      lastProblem = undefined
    } catch (cause) {
      const { message } = toSidecarError(cause)
      if (message !== lastProblem)
        logger.warn({ reason: message }, 'certificate authority not reloaded')
      lastProblem = message
    }
    if (!isClosed) cancel = clock.schedule(INTERVAL_MS, () => void refresh())
  }

  return {
    ...createCertificateIssuer({ authorities: () => current.authorities, clock }),
    roots: () => current.roots,
    close() {
      isClosed = true
      cancel()
    },
  }
}

async function read(options: CertificateAuthorityOptions): Promise<AuthorityState> {
  const { source } = options
  return source.kind === 'generated'
    ? await readGenerated(source.directory, options)
    : await readSupplied(source.files, options)
}

async function readGenerated(
  directory: string,
  { hosts, clock, logger }: CertificateAuthorityOptions,
): Promise<AuthorityState> {
  const { all, createdFor } = await ensureAuthorities(directory, hosts, () => clock.wallMs())
  for (const { file, exposedMode } of all) {
    if (exposedMode !== undefined) {
      logger.warn({ file }, 'other users can read the private key of the certificate authority')
    }
  }
  if (createdFor.length > 0) {
    logger.info({ directory, hosts: createdFor }, 'certificate authority created')
    if (all.length > 1) {
      logger.warn(
        { hosts: createdFor },
        'new certificate authority: applications must be restarted to trust it for these hosts',
      )
    }
  }
  const valid = all.filter(({ root }) => root.validToDate.getTime() > clock.wallMs())
  return {
    authorities: valid.flatMap(({ authorities }) => authorities),
    roots: valid.map(({ root }) => root),
    fingerprint: fingerprint(...valid.map(({ root }) => root.fingerprint256)),
  }
}

async function readSupplied(
  files: AuthorityFiles,
  { readFile, clock }: CertificateAuthorityOptions,
): Promise<AuthorityState> {
  try {
    const { authority, certificates, roots } = await readSuppliedAuthority(
      files,
      readFile,
      clock.wallMs(),
    )
    return {
      authorities: [authority],
      roots,
      fingerprint: fingerprint(...certificates.map(({ fingerprint256 }) => fingerprint256)),
    }
  } catch (cause) {
    throw new SidecarError(
      'internal_error',
      `Cannot use the certificate authority "${files.cert.file}": ${fileProblem(cause)}`,
      { cause },
    )
  }
}
