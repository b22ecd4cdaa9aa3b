import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  BasicConstraints,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  KeyUsage,
  KeyUsageFlags,
} from '@peculiar/asn1-x509'
import { type Constraints, constraintsExtension } from '../../src/certificates/name-constraints.ts'
import {
  distinguishedName,
  extension,
  keyIdentifierOf,
  signCertificate,
} from '../../src/certificates/sign-certificate.ts'

const DAY_MS = 86_400_000

export type Keys = { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
type Issued = { readonly certificate: string; readonly keys: Keys; readonly name: string }

export function createP256(): Keys {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

type CreateOptions = {
  readonly name: string
  readonly keys?: Keys
  readonly issuer?: Issued
  readonly constraints?: Constraints
  readonly usage?: number
  readonly expiresInMs?: number
}

/** A CA certificate; self-signed without an issuer. */
export async function createCa(options: CreateOptions): Promise<Issued> {
  const { name, keys = createP256(), usage = KeyUsageFlags.keyCertSign, constraints } = options
  const issuer = options.issuer ?? { keys, name }
  const certificate = await signCertificate(
    {
      subject: distinguishedName('corporate', name),
      publicKey: keys.publicKey,
      notBeforeMs: Date.now() - 2 * DAY_MS,
      notAfterMs: Date.now() + (options.expiresInMs ?? 30 * DAY_MS),
      extensions: [
        extension(id_ce_basicConstraints, new BasicConstraints({ cA: true }), true),
        extension(id_ce_keyUsage, new KeyUsage(usage), true),
        ...(constraints === undefined ? [] : [constraintsExtension(constraints)]),
      ],
    },
    {
      subject: distinguishedName('corporate', issuer.name),
      key: issuer.keys.privateKey,
      keyIdentifier: keyIdentifierOf(issuer.keys.publicKey),
    },
  )
  return { certificate, keys, name }
}

export function pemOf({ privateKey }: Keys): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' })
}
