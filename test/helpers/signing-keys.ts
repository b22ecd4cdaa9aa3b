import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'

export type Algorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

/** The format of a private key file. */
export type KeyForm = 'PKCS#8' | 'encrypted PKCS#8' | 'PKCS#1' | 'SEC 1' | 'JWK'

export const PASSPHRASE = 'passphrase-canary-4711'
export const KEY_ID = 'key-of-the-test'

export type SigningKey = {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** The key for the registration of the client. */
  readonly publicJwk: JWK
  /** The content of the private key file. */
  text(form: KeyForm): string
}

export function createSigningKey(algorithm: Algorithm): SigningKey {
  const { privateKey } = generate(algorithm)
  const publicKey = createPublicKey(privateKey)
  const about = { kid: KEY_ID, alg: algorithm, use: 'sig' }
  return {
    privateKey,
    publicKey,
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...about },
    text(form) {
      switch (form) {
        case 'PKCS#8': {
          return privateKey.export({ type: 'pkcs8', format: 'pem' })
        }
        case 'encrypted PKCS#8': {
          const encryption = { cipher: 'aes-256-cbc', passphrase: PASSPHRASE }
          return privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption })
        }
        case 'PKCS#1': {
          return privateKey.export({ type: 'pkcs1', format: 'pem' })
        }
        case 'SEC 1': {
          return privateKey.export({ type: 'sec1', format: 'pem' })
        }
        case 'JWK': {
          return JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: KEY_ID })
        }
      }
    },
  }
}

function generate(algorithm: Algorithm): { readonly privateKey: KeyObject } {
  switch (algorithm) {
    case 'RS256':
    case 'PS256': {
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    }
    case 'ES256': {
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    }
    case 'EdDSA': {
      return generateKeyPairSync('ed25519')
    }
  }
}
