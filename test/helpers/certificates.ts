// x509 uses decorators, which need this polyfill.
import 'reflect-metadata'
import { KeyObject, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export type Certificate = {
  /** The certificate and the key are in PEM form. */
  readonly certificate: string
  readonly key: string
}

export type Authority = Certificate & {
  /** The names are DNS names, IPv4 addresses and URIs. */
  issue(subject: string, names: readonly string[]): Promise<Certificate>
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000

/** A new certificate authority. */
export async function createAuthority(name = 'test authority'): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    ...validity(),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  })
  return {
    certificate: root.toString('pem'),
    key: pemOf(keys.privateKey),
    async issue(subject, names) {
      const own = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${subject}`,
        issuer: root.subject,
        ...validity(),
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: typeOf(value), value })),
          ),
        ],
      })
      return { certificate: certificate.toString('pem'), key: pemOf(own.privateKey) }
    },
  }
}

/** A self-signed client certificate. */
export async function createSelfSigned(subject: string): Promise<Certificate> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${subject}`,
    ...validity(),
    signingAlgorithm: ALGORITHM,
    keys,
  })
  return { certificate: own.toString('pem'), key: pemOf(keys.privateKey) }
}

function typeOf(name: string): 'ip' | 'url' | 'dns' {
  if (/^[\d.]+$/.test(name)) return 'ip'
  return name.includes('://') ? 'url' : 'dns'
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) }
}

function pemOf(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' })
}
