import { createHash } from 'node:crypto'

/** Tells whether something secret has changed, without keeping it. */
export function fingerprint(...parts: readonly (string | undefined)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part?.length ?? -1}:${part ?? ''};`)
  return hash.digest('base64url')
}
