import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

/** What a fleet shares of one token, each under a key of its own. */
type EntryKind = 'token' | 'failure' | 'lock' | 'replaced'

/** One of the configured keys, from which the others are derived (RFC 5869). */
export type StoreKey = {
  /** The key of the store for a kind of entry. It reveals nothing about the token that `definition` describes. */
  readonly nameOf: (definition: string, kind: EntryKind) => string
  /** Encrypts and authenticates a text for the entry `name`. */
  readonly seal: (name: string, expiresAtMs: number, text: string) => string
  /** Undefined for an entry of another key or version, or a damaged one. */
  readonly open: (name: string, sealed: string) => string | undefined
}

/** Changes when the format of entries does: entries of another version are ignored. */
const VERSION = '1'
const CIPHER = 'aes-256-gcm'
/** NIST SP 800-38D section 8.2: 96 bits. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** `<expiry in milliseconds since 1970>.<version>.<identifier of the key>.<nonce, ciphertext and tag in base64url>` */
const ENTRY = /^(\d{1,16})\.(\d+)\.([\w-]+)\.([\w-]+)$/

export function createStoreKey(secret: string, prefix: string): StoreKey {
  const derive = (purpose: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, 'token-sidecar', purpose, bytes))
  const naming = derive('names of entries', 32)
  const sealing = derive('encryption of entries', 32)
  const id = derive('identifier of the key', 6).toString('base64url')

  /** An entry cannot be moved to another name, or given another expiry. */
  const contextOf = (name: string, expiry: string): Buffer =>
    Buffer.from(`${VERSION}.${id}.${expiry}.${name}`)

  return {
    nameOf(definition, kind) {
      const digest = createHmac('sha256', naming).update(definition).digest('base64url')
      // The braces make all entries of a token belong to one slot of a cluster.
      return `${prefix}{${digest}}:${kind}`
    },
    seal(name, expiresAtMs, text) {
      const expiry = String(Math.floor(expiresAtMs))
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, sealing, nonce).setAAD(contextOf(name, expiry))
      const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      const data = Buffer.concat([nonce, encrypted, cipher.getAuthTag()]).toString('base64url')
      return `${expiry}.${VERSION}.${id}.${data}`
    },
    open(name, sealed) {
      const [, expiry = '', version, keyId, encoded = ''] = ENTRY.exec(sealed) ?? []
      const data = Buffer.from(encoded, 'base64url')
      if (version !== VERSION || keyId !== id || data.length < NONCE_BYTES + TAG_BYTES) {
        return undefined
      }
      try {
        const decipher = createDecipheriv(CIPHER, sealing, data.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        })
          .setAAD(contextOf(name, expiry))
          .setAuthTag(data.subarray(-TAG_BYTES))
        const text = decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8')
        return text + decipher.final('utf8')
      } catch {
        // The tag does not match.
        return undefined
      }
    },
  }
}
