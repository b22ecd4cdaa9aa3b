import type { webcrypto } from 'node:crypto'
import { SidecarError } from '../errors.ts'
import { parsePrivateKey } from '../lib/private-key.ts'
import type { SecretReader } from '../lib/secret.ts'

type SignatureAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA' | 'Ed25519'

export type SigningKeySource = {
  readonly readKey: SecretReader
  readonly readPassphrase: SecretReader | undefined
  readonly algorithm: SignatureAlgorithm
  readonly keyId: string | undefined
}

export type SigningKey = {
  readonly key: webcrypto.CryptoKey
  readonly kid: string | undefined
  /** The content of its file, for fingerprints. */
  readonly text: string
}

/** The WebCrypto names of the JWS algorithms (RFC 7518 section 3.1, RFC 8037, RFC 9864). */
const PARAMETERS = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
  Ed25519: { name: 'Ed25519' },
} as const satisfies Record<SignatureAlgorithm, object>

/** Reads a private key: PEM (PKCS#8, PKCS#1 or SEC 1, also encrypted) or JWK. Fails with `token_unavailable`. */
export async function readSigningKey(source: SigningKeySource): Promise<SigningKey> {
  const { readKey, readPassphrase, algorithm, keyId } = source
  const text = await readText(readKey)
  const passphrase = readPassphrase && (await readText(readPassphrase))
  try {
    const { key, kid } = parsePrivateKey(text, passphrase)
    return {
      key: key.toCryptoKey(PARAMETERS[algorithm], false, ['sign']),
      kid: keyId ?? kid,
      text,
    }
  } catch (cause) {
    throw new SidecarError(
      'token_unavailable',
      `Cannot use the private key: it is not a PEM or JWK for ${algorithm}, or its passphrase is wrong`,
      { cause },
    )
  }
}

async function readText(read: SecretReader): Promise<string> {
  try {
    return (await read()).reveal()
  } catch (cause) {
    throw new SidecarError(
      'token_unavailable',
      'Cannot read the private key: its file is not readable',
      { cause },
    )
  }
}
