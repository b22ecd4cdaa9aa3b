import { createHash } from 'node:crypto'

export type Pkcs12KeyOptions = {
  readonly password: string
  readonly salt: Uint8Array
  readonly iterations: number
  /** What the key is for: 3 is a MAC (RFC 7292 appendix B.3). */
  readonly id: number
}

/** The block size of SHA-256. */
const BLOCK_BYTES = 64

/**
 * Derives a key as PKCS#12 does (RFC 7292 appendix B.2), with SHA-256. The key is as long as the digest, so that one
 * round is enough, and step 6 of the RFC is not needed.
 */
export function pkcs12Key({ password, salt, iterations, id }: Pkcs12KeyOptions): Buffer {
  // RFC 7292 appendix B.1: UTF-16 in big-endian order, with a null character at the end.
  const text = Buffer.from(`${password}\0`, 'utf16le').swap16()
  const diversifier = Buffer.alloc(BLOCK_BYTES, id)
  let digest: Buffer = Buffer.concat([diversifier, repeat(salt), repeat(text)])
  for (let round = 0; round < iterations; round += 1) {
    digest = createHash('sha256').update(digest).digest()
  }
  return digest
}

/** Repeats the bytes until they fill whole blocks. */
function repeat(bytes: Uint8Array): Buffer {
  const length = BLOCK_BYTES * Math.ceil(bytes.length / BLOCK_BYTES)
  return Buffer.alloc(length, bytes)
}
