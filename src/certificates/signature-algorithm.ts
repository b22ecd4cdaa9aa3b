import type { KeyObject } from 'node:crypto'

export type SignatureAlgorithm = {
  readonly hash: string
  readonly identifier: { readonly algorithm: string; readonly parameters?: ArrayBuffer }
}

/** The parameters of RSA signatures are NULL (RFC 4055 section 5), and those of ECDSA are absent (RFC 5758). */
export const ASN1_NULL = new Uint8Array([5, 0]).buffer

const BY_CURVE: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['prime256v1', { hash: 'sha256', identifier: { algorithm: '1.2.840.10045.4.3.2' } }],
  ['secp384r1', { hash: 'sha384', identifier: { algorithm: '1.2.840.10045.4.3.3' } }],
  ['secp521r1', { hash: 'sha512', identifier: { algorithm: '1.2.840.10045.4.3.4' } }],
])

const RSA: SignatureAlgorithm = {
  hash: 'sha256',
  identifier: { algorithm: '1.2.840.113549.1.1.11', parameters: ASN1_NULL },
}

/** Smaller keys are rejected by OpenSSL at its default security level, and by Java. */
const MIN_RSA_BITS = 2048

/** How a key signs certificates. Throws for a key that TLS clients do not commonly support. */
export function signatureAlgorithm(key: KeyObject): SignatureAlgorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0
    if (bits >= MIN_RSA_BITS) return RSA
    throw new Error(`unsupported key: RSA with ${bits} bits, expected at least ${MIN_RSA_BITS}`)
  }
  const found = type === 'ec' ? BY_CURVE.get(details?.namedCurve ?? '') : undefined
  if (found !== undefined) return found
  const name = type === 'ec' ? `the curve ${details?.namedCurve}` : type
  throw new Error(
    `unsupported key type: ${name}, expected ECDSA with P-256, P-384 or P-521, or RSA`,
  )
}
