import { createPrivateKey, type KeyObject } from 'node:crypto'

export type PrivateKey = { readonly key: KeyObject; readonly kid: string | undefined }

/** A private key from PEM in any of its forms, also encrypted, or from a JWK. Throws on anything else. */
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

/** Whether signatures by a JWS algorithm (RFC 7518 section 3.1, RFC 8037) can be made with a key. */
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
