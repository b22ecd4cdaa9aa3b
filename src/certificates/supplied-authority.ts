import type { KeyObject, X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint } from '../lib/fingerprint.ts'
import {
  createSigningAuthority,
  isSelfSigned,
  parseCertificates,
  parsePrivateKeys,
  type SigningAuthority,
} from './signing-authority.ts'

export type AuthorityFiles = {
  readonly cert: { readonly file: string }
  readonly key: { readonly file: string }
}

export type SuppliedAuthority = {
  readonly certificate: X509Certificate
  /** Changes with any certificate of the chain. */
  readonly fingerprint: string
  readonly authority: SigningAuthority
  /** Self-signed certificates, which applications may have to trust. */
  readonly roots: readonly X509Certificate[]
  /** What makes it less safe than a generated authority. */
  readonly warnings: readonly string[]
}

/** Throws if the files are not a CA certificate, optionally with its issuers, and the private key of it. */
export async function readSuppliedAuthority(
  files: AuthorityFiles,
  readFile: (path: string) => Promise<string>,
  nowMs: number,
): Promise<SuppliedAuthority> {
  const { own, certificates, key } = await readPair(files, readFile)
  const authority = createSigningAuthority(certificates, key)
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1]
    if (issuer !== undefined && !certificate.checkIssued(issuer)) {
      throw new Error('each certificate after the first has to be the issuer of the one before it')
    }
  }
  if (authority.notAfterMs <= nowMs) throw new Error('the certificate has expired')
  if (authority.notBeforeMs > nowMs) throw new Error('the certificate is not yet valid')
  const roots = certificates.filter(isSelfSigned)
  return {
    certificate: own,
    fingerprint: fingerprint(...certificates.map(({ fingerprint256 }) => fingerprint256)),
    authority,
    roots,
    warnings: [
      ...warningsOf(certificates, authority),
      ...(authority.notAfterMs - nowMs < EXPIRY_WARNING_MS
        ? [
            `the CA certificate expires on ${new Date(authority.notAfterMs).toISOString().slice(0, 10)}`,
          ]
        : []),
      ...(roots.length > 0 ? [] : [ROOT_IS_MISSING]),
    ],
  }
}

const EXPIRY_WARNING_MS = 14 * 86_400_000

const ROOT_IS_MISSING =
  'the trust bundle does not contain the root of the supplied CA, because the file ends before it: applications have to trust it already, or the root has to be added at the end of the file'

/** A rotation may happen between reading the two files. */
const MAX_ATTEMPTS = 3
const RETRY_MS = 50

async function readPair(
  { cert, key }: AuthorityFiles,
  readFile: (path: string) => Promise<string>,
): Promise<{ own: X509Certificate; certificates: X509Certificate[]; key: KeyObject }> {
  for (let attempt = 1; ; attempt += 1) {
    const certificates = parseCertificates(await readFile(cert.file))
    const [privateKey] = parsePrivateKeys(await readFile(key.file))
    const [own] = certificates
    if (own === undefined) throw new Error('there is no certificate in PEM form')
    if (privateKey === undefined) throw new Error('there is no private key in PEM form')
    if (own.checkPrivateKey(privateKey)) return { own, certificates, key: privateKey }
    if (attempt === MAX_ATTEMPTS) throw new Error('the private key does not match the certificate')
    await sleep(RETRY_MS)
  }
}

function warningsOf(
  certificates: readonly X509Certificate[],
  { constraints }: SigningAuthority,
): string[] {
  if (constraints.length === 0) {
    return [
      'the CA certificate has no name constraints: its private key can be used to impersonate every host to the applications that trust it',
    ]
  }
  const [own] = certificates
  if (own !== undefined && isSelfSigned(own)) {
    return [
      'the CA certificate is self-signed, and Java ignores the name constraints of a certificate that it trusts: use an intermediate with name constraints',
    ]
  }
  const limitsAddresses = constraints.some(
    ({ permittedAddresses, excludedAddresses }) =>
      permittedAddresses !== undefined || excludedAddresses.length > 0,
  )
  return limitsAddresses
    ? []
    : [
        'the name constraints of the CA certificate do not limit IP addresses: exclude 0.0.0.0/0 and ::/0',
      ]
}
