import { createHash, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  Certificate,
  Extension,
  Extensions,
  id_ce_authorityKeyIdentifier,
  id_ce_subjectKeyIdentifier,
  KeyIdentifier,
  Name,
  RelativeDistinguishedName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509'
import { signatureAlgorithm } from './signature-algorithm.ts'

/** What is signed. The extensions come without the key identifiers, which are derived from the keys. */
export type CertificateContent = {
  readonly subject: Name
  readonly publicKey: KeyObject
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly extensions: readonly Extension[]
}

export type Signer = {
  readonly subject: Name
  readonly key: KeyObject
  /** Undefined if the certificate of the signer has no subject key identifier. */
  readonly keyIdentifier: ArrayBuffer | undefined
}

const signAsync = promisify(sign)

/** Signs a certificate (RFC 5280 section 4.1). Returns it in PEM form. */
export async function signCertificate(
  { subject, publicKey, notBeforeMs, notAfterMs, extensions }: CertificateContent,
  signer: Signer,
): Promise<string> {
  const { identifier, hash } = signatureAlgorithm(signer.key)
  const algorithm = new AlgorithmIdentifier(identifier)
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: createSerialNumber(),
    signature: algorithm,
    issuer: signer.subject,
    validity: new Validity({ notBefore: new Date(notBeforeMs), notAfter: new Date(notAfterMs) }),
    subject,
    subjectPublicKeyInfo: publicKeyInfo(publicKey),
    extensions: new Extensions([...extensions, ...keyIdentifiers(publicKey, signer)]),
  })
  const signature = await signAsync(
    hash,
    Buffer.from(AsnConvert.serialize(tbsCertificate)),
    signer.key,
  )
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: new Uint8Array(signature).buffer,
  })
  return new X509Certificate(Buffer.from(AsnConvert.serialize(certificate))).toString()
}

export function extension(id: string, value: unknown, critical = false): Extension {
  return new Extension({
    extnID: id,
    critical,
    extnValue: new OctetString(AsnConvert.serialize(value)),
  })
}

/** A distinguished name of an organisation (O) and, for authorities, a common name (CN). */
export function distinguishedName(organization: string, commonName?: string): Name {
  return new Name([
    nameAttribute('2.5.4.10', organization),
    ...(commonName === undefined ? [] : [nameAttribute('2.5.4.3', commonName)]),
  ])
}

function nameAttribute(type: string, text: string): RelativeDistinguishedName {
  const value = new AttributeValue({ utf8String: text })
  return new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value })])
}

/** RFC 7093 section 2, method 1: without SHA-1. */
export function keyIdentifierOf(publicKey: KeyObject): ArrayBuffer {
  const bits = new Uint8Array(publicKeyInfo(publicKey).subjectPublicKey)
  return new Uint8Array(createHash('sha256').update(bits).digest().subarray(0, 20)).buffer
}

function publicKeyInfo(publicKey: KeyObject): SubjectPublicKeyInfo {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return AsnConvert.parse(der, SubjectPublicKeyInfo)
}

/** RFC 5280 section 4.1.2.2: positive, at most 20 octets; here 16 octets without a leading zero. */
function createSerialNumber(): ArrayBuffer {
  const bytes = new Uint8Array(randomBytes(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.buffer
}

function keyIdentifiers(publicKey: KeyObject, { keyIdentifier }: Signer): Extension[] {
  const own = extension(
    id_ce_subjectKeyIdentifier,
    new SubjectKeyIdentifier(keyIdentifierOf(publicKey)),
  )
  if (keyIdentifier === undefined) return [own]
  const issuer = new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier) })
  return [own, extension(id_ce_authorityKeyIdentifier, issuer)]
}
