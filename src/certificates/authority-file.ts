import type { X509Certificate } from 'node:crypto'
import type { GeneratedAuthority } from './generate-authority.ts'
import {
  createSigningAuthority,
  isSelfSigned,
  parseCertificates,
  parsePrivateKeys,
  type SigningAuthority,
} from './signing-authority.ts'

/** A generated authority as it is stored: one file, so that it is complete or missing. */
export type StoredAuthority = {
  readonly root: X509Certificate
  readonly intermediates: readonly X509Certificate[]
  readonly authorities: readonly SigningAuthority[]
}

export function formatAuthority({ root, intermediates }: GeneratedAuthority): string {
  return [
    '# A certificate authority of token-sidecar. This file contains private keys: do not share it.\n',
    '# The root, which applications trust. Its private key has been discarded.\n',
    root,
    ...intermediates.flatMap(({ certificate, key }) => [
      '# A constrained intermediate, and its private key.\n',
      certificate,
      key,
    ]),
  ].join('')
}

/** Throws if the text is not a complete authority. */
export function parseAuthority(text: string): StoredAuthority {
  const [root, ...intermediates] = parseCertificates(text)
  if (root === undefined || intermediates.length === 0) {
    throw new Error('expected a root and an intermediate certificate')
  }
  if (!isSelfSigned(root)) throw new Error('expected a self-signed root as the first certificate')
  const keys = parsePrivateKeys(text)
  const authorities = intermediates.map((certificate) => {
    if (!certificate.checkIssued(root) || !certificate.verify(root.publicKey)) {
      throw new Error('an intermediate certificate is not signed by the root')
    }
    const key = keys.find((each) => certificate.checkPrivateKey(each))
    if (key === undefined) throw new Error('an intermediate certificate has no private key')
    const authority = createSigningAuthority([certificate, root], key)
    if (authority.constraints.length === 0) {
      throw new Error('an intermediate certificate has no name constraints')
    }
    return authority
  })
  return { root, intermediates, authorities }
}
