import { createPrivateKey, type KeyObject } from 'node:crypto'

export type PrivateKey = { readonly key: KeyObject; readonly kid: string | undefined }

/** Parses a private key in PEM, which may be encrypted, or a JWK. Throws for anything else. */
export function parsePrivateKey(text: string, passphrase: string | undefined): PrivateKey {
  if (!text.trimStart().startsWith('{')) {
    return {
      key: createPrivateKey({ key: text, ...(passphrase !== undefined && { passphrase }) }),
      kid: undefined,
    }
  }
  const jwk: Readonly<Record<string, unknown>> = JSON.parse(text)
  const { kid } = jwk
  return {
    key: createPrivateKey({ key: jwk, format: 'jwk' }),
    kid: typeof kid === 'string' ? kid : undefined,
  }
}

/** Whether a key can be used with a JWS algorithm (RFC 7518 section 3.1, RFC 8037). */
export function fitsAlgorithm(key: KeyObject, algorithm: string): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  switch (algorithm) {
    case 'RS256':
    case 'PS256': {
      return type === 'rsa'
    }
    case 'ES256': {
      return type === 'ec' && details?.namedCurve === 'prime256v1'
    }
    default: {
      return type === 'ed25519'
    }
  }
}
