import { generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import {
  BasicConstraints,
  ExtendedKeyUsage,
  type Extension,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
} from '@peculiar/asn1-x509'
import {
  addressesOnly,
  type Constraints,
  constraintsExtension,
  namesOnly,
} from './name-constraints.ts'
import {
  distinguishedName,
  extension,
  keyIdentifierOf,
  signCertificate,
} from './sign-certificate.ts'

export type GeneratedAuthority = {
  /** What applications have to trust, in PEM form. */
  readonly root: string
  /** One for names, one for addresses, or both. Each is a certificate and its private key in PEM form. */
  readonly intermediates: readonly { readonly certificate: string; readonly key: string }[]
}

const DAY_MS = 86_400_000
export const AUTHORITY_LIFETIME_MS = 730 * DAY_MS
/** The clocks of applications may be late. */
const BACKDATED_MS = 3_600_000

const generateKey = promisify(generateKeyPair)

/**
 * A root without constraints, whose private key is discarded here, and intermediates that are constrained to
 * `hosts`. The constraints are not in the root, because Java ignores them in a certificate of its truststore.
 * `hosts` are DNS names, which include their subdomains, and IP addresses.
 */
export async function generateAuthority(
  hosts: readonly string[],
  nowMs: number,
): Promise<GeneratedAuthority> {
  const names = hosts.filter((host) => isIP(host) === 0)
  const addresses = hosts.filter((host) => isIP(host) !== 0)
  const validity = { notBeforeMs: nowMs - BACKDATED_MS, notAfterMs: nowMs + AUTHORITY_LIFETIME_MS }
  // Verifiers look up an issuer by its name, so authorities must not have the same one.
  const id = randomBytes(4).toString('hex')
  const subjectOf = (role: string) =>
    distinguishedName('token-sidecar', `token-sidecar ${role} ${id}`)

  const rootKeys = await createKeys()
  const root = {
    subject: subjectOf('root'),
    key: rootKeys.privateKey,
    keyIdentifier: keyIdentifierOf(rootKeys.publicKey),
  }
  const rootCertificate = await signCertificate(
    {
      subject: root.subject,
      publicKey: rootKeys.publicKey,
      ...validity,
      extensions: authorityExtensions(1),
    },
    root,
  )
  const createIntermediate = async (role: string, constraints: Constraints) => {
    const { publicKey, privateKey } = await createKeys()
    const extensions = [
      ...authorityExtensions(0),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
      constraintsExtension(constraints),
    ]
    const content = { subject: subjectOf(role), publicKey, ...validity, extensions }
    const certificate = await signCertificate(content, root)
    return { certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
  }
  return {
    root: rootCertificate,
    intermediates: [
      // A certificate with constraints on addresses is rejected by BoringSSL (gRPC in C++ and Python) for every address.
      ...(names.length > 0 ? [await createIntermediate('names', namesOnly(names))] : []),
      ...(addresses.length > 0
        ? [await createIntermediate('addresses', addressesOnly(addresses))]
        : []),
    ],
  }
}

async function createKeys(): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  return await generateKey('ec', { namedCurve: 'P-256' })
}

function authorityExtensions(pathLenConstraint: number): Extension[] {
  return [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
  ]
}
