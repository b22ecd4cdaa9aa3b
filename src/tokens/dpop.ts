import { createHash, createPublicKey, randomUUID, type webcrypto } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { parsePrivateKey } from '../lib/private-key.ts'
import type { SecretReader } from '../lib/secret.ts'

export type DpopAlgorithm = 'ES256' | 'Ed25519' | 'EdDSA' | 'RS256' | 'PS256'

/** A key that tokens are bound to (RFC 9449). */
export type DpopKey = {
  /** Identifies the key (RFC 7638). */
  readonly thumbprint: string
  /** For the token endpoint; keeps the nonces of that server. */
  readonly handle: oauth.DPoPHandle
  /** A proof for one request to an API; `url` without query and fragment. */
  prove(request: { method: string; url: string; accessToken: string }): Promise<string>
  /** Stores the nonce that the API of `url` supplied (RFC 9449 section 8.2). Returns whether it is a new one. */
  rememberNonce(url: string, nonce: string): boolean
}

const PARAMETERS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  Ed25519: { name: 'Ed25519' },
  EdDSA: { name: 'Ed25519' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
} as const

/** Reads the key, or generates one that lasts as long as the process. */
export async function createDpopKey(
  algorithm: DpopAlgorithm,
  readKey: SecretReader | undefined,
): Promise<DpopKey> {
  const { privateKey, publicKey } =
    readKey === undefined
      ? await generateKeyPair(algorithm)
      : importKeys((await readKey()).reveal(), algorithm)
  // Ed25519 has two names (RFC 8037, RFC 9864), of which a server may know only one.
  const jwk = await exportJWK(publicKey)
  const header = { alg: algorithm, typ: 'dpop+jwt', jwk }
  const nonces = new Map<string, string>()
  return {
    thumbprint: await calculateJwkThumbprint(jwk),
    handle: oauth.DPoP(
      {},
      { privateKey, publicKey },
      { [oauth.modifyAssertion]: (proofHeader) => void Object.assign(proofHeader, header) },
    ),
    async prove({ method, url, accessToken }) {
      const nonce = nonces.get(originOf(url))
      // RFC 9449 section 4.2.
      return await new SignJWT({
        htm: method,
        htu: url,
        ath: createHash('sha256').update(accessToken).digest('base64url'),
        ...(nonce !== undefined && { nonce }),
      })
        .setProtectedHeader(header)
        .setIssuedAt()
        .setJti(randomUUID())
        .sign(privateKey)
    },
    rememberNonce(url, nonce) {
      const origin = originOf(url)
      const isNew = nonces.get(origin) !== nonce
      nonces.set(origin, nonce)
      return isNew
    },
  }
}

function importKeys(text: string, algorithm: DpopAlgorithm): webcrypto.CryptoKeyPair {
  const { key } = parsePrivateKey(text, undefined)
  const parameters = PARAMETERS[algorithm]
  return {
    privateKey: key.toCryptoKey(parameters, false, ['sign']),
    publicKey: createPublicKey(key).toCryptoKey(parameters, true, ['verify']),
  }
}

function originOf(url: string): string {
  return new URL(url).origin
}
