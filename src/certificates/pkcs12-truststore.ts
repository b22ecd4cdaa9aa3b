import { createHmac, randomBytes, type X509Certificate } from 'node:crypto'
import { ContentInfo, id_data } from '@peculiar/asn1-cms'
import {
  AuthenticatedSafe,
  CertBag,
  id_certBag,
  id_x509Certificate,
  MacData,
  PFX,
  PKCS12Attribute,
  SafeBag,
  SafeContents,
} from '@peculiar/asn1-pfx'
import { DigestInfo } from '@peculiar/asn1-rsa'
import { AsnConvert, AsnObjectIdentifierConverter, OctetString } from '@peculiar/asn1-schema'
import { AlgorithmIdentifier, AttributeValue } from '@peculiar/asn1-x509'
import { pkcs12Key } from './pkcs12-key.ts'
import { ASN1_NULL } from './signature-algorithm.ts'

export type TrustedCertificate = {
  /** The alias that Java shows. */
  readonly alias: string
  readonly certificate: X509Certificate
}

/**
 * A truststore (RFC 7292) that Java reads. The certificates are not encrypted, because they are public: Java then
 * also finds them without the password. The password is that of the MAC.
 */
export function formatTruststore(trusted: readonly TrustedCertificate[], password: string): Buffer {
  const safe = new SafeContents(trusted.map(certificateBag))
  const authenticated = serialize(new AuthenticatedSafe([dataOf(serialize(safe))]))
  const pfx = new PFX({
    authSafe: dataOf(authenticated),
    macData: macOf(new Uint8Array(authenticated), password),
  })
  return Buffer.from(serialize(pfx))
}

function certificateBag({ alias, certificate }: TrustedCertificate): SafeBag {
  const bag = new CertBag({
    certId: id_x509Certificate,
    certValue: serialize(new OctetString(certificate.raw)),
  })
  const friendlyName = new AttributeValue({ bmpString: alias })
  return new SafeBag({
    bagId: id_certBag,
    bagValue: serialize(bag),
    bagAttributes: [
      attribute(FRIENDLY_NAME, serialize(friendlyName)),
      attribute(TRUSTED_KEY_USAGE, objectIdentifier(ANY_USAGE)),
    ],
  })
}

const FRIENDLY_NAME = '1.2.840.113549.1.9.20'
/** An attribute of Oracle. Java ignores certificates without it. */
const TRUSTED_KEY_USAGE = '2.16.840.1.113894.746875.1.1'
const ANY_USAGE = '2.5.29.37.0'
const SHA256 = '2.16.840.1.101.3.4.2.1'

function serialize(value: unknown): ArrayBuffer {
  return AsnConvert.serialize(value)
}

function objectIdentifier(id: string): ArrayBuffer {
  return AsnObjectIdentifierConverter.toASN(id).toBER()
}

function attribute(id: string, value: ArrayBuffer): PKCS12Attribute {
  // The constructor ignores its parameters.
  return Object.assign(new PKCS12Attribute(), { attrId: id, attrValues: [value] })
}

function dataOf(content: ArrayBuffer): ContentInfo {
  return new ContentInfo({ contentType: id_data, content: serialize(new OctetString(content)) })
}

/** As many as OpenSSL does. The MAC detects damage; it is not meant to resist guessing the password. */
const ITERATIONS = 2048

function macOf(content: Uint8Array, password: string): MacData {
  const salt = randomBytes(16)
  const key = pkcs12Key({ password, salt, iterations: ITERATIONS, id: 3 })
  const digest = createHmac('sha256', key).update(content).digest()
  return new MacData({
    mac: new DigestInfo({
      digestAlgorithm: new AlgorithmIdentifier({ algorithm: SHA256, parameters: ASN1_NULL }),
      digest: new OctetString(digest),
    }),
    macSalt: new OctetString(salt),
    iterations: ITERATIONS,
  })
}
