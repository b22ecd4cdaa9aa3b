import { createHash } from 'node:crypto'

/** A digest by which a change of secrets is noticed without keeping them. */
export function fingerprint(...parts: readonly (string | undefined)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part?.length ?? -1}:${part ?? ''};`)
  return hash.digest('base64url')
}
