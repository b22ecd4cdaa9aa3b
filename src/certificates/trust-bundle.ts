import type { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { SidecarError } from '../errors.ts'
import { fileProblem } from '../lib/file-problem.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import { writeFileAtomically } from '../lib/write-file-atomically.ts'
import { formatTruststore } from './pkcs12-truststore.ts'
import { distinctCertificates, readTrustedTexts } from './trusted-certificates.ts'

export type TrustBundleOptions = {
  /** Undefined for none. */
  readonly pem: string | undefined
  readonly pkcs12: string | undefined
  readonly password: string
  /** A configuration file of wget that names the PEM file: wget has no variable for it. */
  readonly wgetrc: string | undefined
  /** Where variables such as `SSL_CERT_FILE` are read from. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly onUnreadable: (variables: readonly string[]) => void
}

export type TrustBundle = {
  /**
   * Writes the files if what they have to contain has changed, or if one is missing. Returns whether it did. Fails if
   * something else is at such a path, or it cannot be written.
   */
  readonly update: (roots: readonly X509Certificate[]) => Promise<boolean>
}

/** Begins the text files, and the aliases of our certificates in the truststore. */
const MARK = 'token-sidecar'

/** The files with which applications trust the sidecar in addition to what they trusted before. */
export function createTrustBundle(options: TrustBundleOptions): TrustBundle {
  const { env, onUnreadable } = options
  const paths = [options.pem, options.pkcs12, options.wgetrc].filter((path) => path !== undefined)
  let written: string | undefined
  let reported = ''
  return {
    async update(roots) {
      if (paths.length === 0) return false
      const { texts, unreadable } = await readTrustedTexts(env, paths)
      if (unreadable.length > 0 && unreadable.join() !== reported) onUnreadable(unreadable)
      reported = unreadable.join()
      const content = fingerprint(...roots.map(String), ...texts)
      if (content === written && (await allExist(paths))) return false
      await write(options, roots, texts)
      written = content
      return true
    },
  }
}

async function write(
  { pem, pkcs12, password, wgetrc }: TrustBundleOptions,
  roots: readonly X509Certificate[],
  texts: readonly string[],
): Promise<void> {
  const own = new Set(roots.map(String))
  const others = distinctCertificates(texts).filter(
    (certificate) => !own.has(certificate.toString()),
  )
  if (pem !== undefined) await replace(pem, isOwnText, formatPem(roots, others))
  if (pem !== undefined && wgetrc !== undefined) {
    await replace(wgetrc, isOwnText, `# ${MARK}\nca_certificate = ${pem}\n`)
  }
  if (pkcs12 === undefined) return
  const trusted = [
    ...roots.map((certificate) => ({ alias: aliasOf(MARK, certificate), certificate })),
    ...others.map((certificate) => ({ alias: aliasOf('ca', certificate), certificate })),
  ]
  await replace(pkcs12, isOwnTruststore, formatTruststore(trusted, password))
}

function formatPem(roots: readonly X509Certificate[], others: readonly X509Certificate[]): string {
  return [
    `# ${MARK} trust bundle. Do not edit: it is written again when something changes.\n`,
    ...roots.map((certificate) => `# ${MARK}\n${certificate.toString()}`),
    '# The system, and variables such as SSL_CERT_FILE\n',
    ...others.map(String),
  ].join('')
}

/** Java requires distinct aliases. */
function aliasOf(prefix: string, { fingerprint256 }: X509Certificate): string {
  return `${prefix}-${fingerprint256.replaceAll(':', '').slice(0, 16).toLowerCase()}`
}

function isOwnText(content: Buffer): boolean {
  return content.toString('latin1').startsWith(`# ${MARK}`)
}

function isOwnTruststore(content: Buffer): boolean {
  // Aliases are BMPStrings, which are UTF-16 in big-endian order.
  return content.includes(Buffer.from(MARK, 'utf16le').swap16())
}

/** Replaces a file only if the sidecar has written it: the path may be that of a bundle of the system. */
async function replace(
  path: string,
  isOwn: (content: Buffer) => boolean,
  content: string | Uint8Array,
): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  // Reading a named pipe without a writer would block a thread.
  if (found !== undefined && !found.isFile()) throw bundleError(path, 'it is not a regular file')
  const existing = await readFile(path).catch(() => undefined)
  if (existing !== undefined && existing.length > 0 && !isOwn(existing)) {
    throw bundleError(path, 'a file of another program is there')
  }
  try {
    await writeFileAtomically(path, content, { mode: 0o644 })
  } catch (cause) {
    throw bundleError(path, fileProblem(cause))
  }
}

function bundleError(path: string, reason: string): SidecarError {
  return new SidecarError('internal_error', `Cannot write the trust bundle "${path}": ${reason}`)
}

async function allExist(paths: readonly string[]): Promise<boolean> {
  try {
    await Promise.all(paths.map(async (path) => await stat(path)))
    return true
  } catch {
    return false
  }
}
