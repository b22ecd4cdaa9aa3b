import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { AsnConvert } from '@peculiar/asn1-schema'
import {
  BasicConstraints,
  Certificate,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_subjectKeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  SubjectKeyIdentifier,
} from '@peculiar/asn1-x509'
import { type Constraints, permitsHost, readConstraints } from './name-constraints.ts'
import type { Signer } from './sign-certificate.ts'
import { signatureAlgorithm } from './signature-algorithm.ts'

/** A CA certificate with its private key, which signs the certificates of hosts. */
export type SigningAuthority = {
  readonly signer: Signer
  /** The certificates that a server sends after that of the host, in PEM form. */
  readonly chain: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Those of the CA certificate and of its issuers, as far as these are known. */
  readonly constraints: readonly Constraints[]
  readonly permits: (host: string) => boolean
}

/**
 * `certificates` begins with the CA certificate, followed by its issuers. Throws if the first one is not that
 * of a CA, or the key is not the key of it.
 */
export function createSigningAuthority(
  certificates: readonly X509Certificate[],
  key: KeyObject,
): SigningAuthority {
  const [own] = certificates
  if (own === undefined) throw new Error('there is no certificate')
  if (!own.checkPrivateKey(key)) throw new Error('the private key does not match the certificate')
  signatureAlgorithm(key)
  const parsed = certificates.map(({ raw }) => AsnConvert.parse(raw, Certificate))
  const [certificate] = parsed
  if (certificate === undefined || !maySign(certificate)) {
    throw new Error('the certificate is not that of a CA')
  }
  const constraints = parsed.flatMap((each) => readConstraints(each) ?? [])
  return {
    signer: {
      subject: certificate.tbsCertificate.subject,
      key,
      keyIdentifier: keyIdentifierIn(certificate),
    },
    chain: certificates
      .filter((each) => !isSelfSigned(each))
      .map(String)
      .join(''),
    notBeforeMs: Math.max(...certificates.map(({ validFromDate }) => validFromDate.getTime())),
    notAfterMs: Math.min(...certificates.map(({ validToDate }) => validToDate.getTime())),
    constraints,
    permits: (host) => constraints.every((each) => permitsHost(each, host)),
  }
}

/** The certificates in a PEM text. Throws if one cannot be parsed. */
export function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

/** The private keys in a PEM text. Throws if one cannot be parsed. */
export function parsePrivateKeys(pem: string): KeyObject[] {
  const blocks = pem.match(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^-]*-----END \1-----/g) ?? []
  return blocks.map((block) => createPrivateKey(block))
}

export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey)
}

/** RFC 5280 sections 4.2.1.3 and 4.2.1.9. */
function maySign({ tbsCertificate }: Certificate): boolean {
  const { extensions = [] } = tbsCertificate
  const basic = extensions.find(({ extnID }) => extnID === id_ce_basicConstraints)
  if (basic === undefined || !AsnConvert.parse(basic.extnValue, BasicConstraints).cA) return false
  const usage = extensions.find(({ extnID }) => extnID === id_ce_keyUsage)
  if (usage === undefined) return true
  return (AsnConvert.parse(usage.extnValue, KeyUsage).toNumber() & KeyUsageFlags.keyCertSign) !== 0
}

function keyIdentifierIn({ tbsCertificate }: Certificate): ArrayBuffer | undefined {
  const found = tbsCertificate.extensions?.find(
    ({ extnID }) => extnID === id_ce_subjectKeyIdentifier,
  )
  return found && AsnConvert.parse(found.extnValue, SubjectKeyIdentifier).buffer
}
