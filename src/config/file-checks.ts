import { X509Certificate } from 'node:crypto'
import { fitsAlgorithm, parsePrivateKey } from '../lib/private-key.ts'
import { belongTogether } from '../lib/tls-material.ts'
import type { Finding } from './finding.ts'
import type { KeyPath } from './problem.ts'
import { unreadableReason } from './read-file.ts'
import { createSecretReader, type SecretPlaces } from './secret-ref.ts'
import { type SecretRef, secretRef } from './value-schemas.ts'

/** Looks at everything outside of the file that it refers to: secrets, keys and certificates. */
export async function checkFiles(data: unknown, places: SecretPlaces): Promise<Finding[]> {
  const looks = [...references(data, [])].map(async (reference) => await look(reference, places))
  return (await Promise.all(looks)).flat()
}

/** What a place in the file refers to, and what it is meant to hold. */
type Reference =
  | {
      readonly kind: 'secret' | 'text' | 'certificate'
      readonly path: KeyPath
      readonly file: string
    }
  | {
      readonly kind: 'variable'
      readonly path: KeyPath
      readonly name: string
      readonly isSecret: boolean
    }
  | { readonly kind: 'literal'; readonly path: KeyPath; readonly value: string }
  | {
      readonly kind: 'signing key'
      readonly path: KeyPath
      readonly ref: SecretRef
      readonly passphrase: SecretRef | undefined
      readonly algorithm: string
    }
  | {
      readonly kind: 'pair'
      readonly path: KeyPath
      readonly certificate: string
      readonly key: string
    }

/** Keys whose value is a secret that has to be plain text; keys of ours are PEM or JWK, tokens are JWTs. */
const PLAIN_SECRETS: ReadonlySet<PropertyKey> = new Set(['clientSecret', 'passphrase'])
const CERTIFICATES: ReadonlySet<PropertyKey> = new Set(['ca', 'certificate'])

/** Deeper than anything that the file may say. */
const DEEPEST = 12

/** The keys that refer to something outside; what else is called "file" or "env" is none of ours. */
const REFERRING: ReadonlySet<PropertyKey> = new Set([
  ...PLAIN_SECRETS,
  ...CERTIFICATES,
  'auth',
  'key',
  'subjectToken',
])
/** Maps whose keys are the user's to choose. */
const FREE_MAPS: ReadonlySet<PropertyKey> = new Set(['claims', 'header', 'headers', 'parameters'])

/** Every `{ file }` and `{ env }` in the file, however wrong the rest of it is. */
function* references(data: unknown, path: KeyPath): Generator<Reference> {
  if (Array.isArray(data)) {
    for (const [index, item] of data.entries()) yield* references(item, [...path, index])
  }
  const owner = path.at(-1) ?? ''
  // An anchor may contain itself.
  if (!isRecord(data) || path.length > DEEPEST || FREE_MAPS.has(owner)) return
  if (REFERRING.has(owner)) yield* referencesOf(data, owner, path)
  if (owner === 'client') yield* pairOf(data, path)
  if (SIGNING.has(owner)) yield* signingKeyOf(data, owner, path)
  for (const [key, inner] of Object.entries(data)) yield* references(inner, [...path, key])
}

function* referencesOf(
  { file, env, value }: Readonly<Record<string, unknown>>,
  owner: PropertyKey,
  path: KeyPath,
): Generator<Reference> {
  const isSecret = PLAIN_SECRETS.has(owner)
  if (typeof file === 'string') {
    const kind = isSecret ? 'secret' : CERTIFICATES.has(owner) ? 'certificate' : 'text'
    yield { kind, path: [...path, 'file'], file }
  }
  if (typeof env === 'string') {
    yield { kind: 'variable', path: [...path, 'env'], name: env, isSecret }
  }
  if (typeof value === 'string' && isSecret) {
    yield { kind: 'literal', path: [...path, 'value'], value }
  }
}

/** What is signed with a key, and the algorithm where none is named. */
const SIGNING: ReadonlyMap<PropertyKey, string> = new Map([
  ['auth', 'RS256'],
  ['grant', 'RS256'],
  ['dpop', 'ES256'],
])

function* signingKeyOf(
  { key, passphrase, algorithm }: Readonly<Record<string, unknown>>,
  owner: PropertyKey,
  path: KeyPath,
): Generator<Reference> {
  const ref = secretRef.safeParse(key).data
  if (ref === undefined) return
  const place = ref.file === undefined ? (ref.env === undefined ? 'value' : 'env') : 'file'
  yield {
    kind: 'signing key',
    path: [...path, 'key', place],
    ref,
    passphrase: secretRef.safeParse(passphrase).data,
    algorithm: typeof algorithm === 'string' ? algorithm : (SIGNING.get(owner) ?? ''),
  }
}

function* pairOf(
  { certificate, key }: Readonly<Record<string, unknown>>,
  path: KeyPath,
): Generator<Reference> {
  if (!isRecord(certificate) || !isRecord(key)) return
  if (typeof certificate['file'] !== 'string' || typeof key['file'] !== 'string') return
  yield { kind: 'pair', path, certificate: certificate['file'], key: key['file'] }
}

async function look(reference: Reference, places: SecretPlaces): Promise<Finding[]> {
  const { path } = reference
  try {
    const message = await faultOf(reference, places)
    return message === undefined ? [] : [{ path, message, severity: 'error' }]
  } catch (cause) {
    // What these are made of is looked at by itself as well.
    if (reference.kind === 'pair' || reference.kind === 'signing key') return []
    const message = `expected a file that can be read (${unreadableReason(cause)})`
    return [{ path, message, severity: 'error' }]
  }
}

async function faultOf(reference: Reference, places: SecretPlaces): Promise<string | undefined> {
  const { env, readFile } = places
  switch (reference.kind) {
    case 'variable': {
      const value = Object.hasOwn(env, reference.name) ? (env[reference.name] ?? '') : ''
      if (value === '')
        return 'expected the name of an environment variable that is set and not empty'
      return reference.isSecret ? secretFault(value) : undefined
    }
    case 'literal': {
      return secretFault(reference.value)
    }
    case 'secret': {
      return secretFault((await readFile(reference.file)).replace(/\r?\n$/, ''))
    }
    case 'text': {
      return (await readFile(reference.file)).trim() === ''
        ? 'expected a file with something in it, and it is empty'
        : undefined
    }
    case 'certificate': {
      return pemFault(await readFile(reference.file))
    }
    case 'signing key': {
      const { ref, passphrase, algorithm } = reference
      const text = (await createSecretReader(ref, places)()).reveal()
      const opener = passphrase && (await createSecretReader(passphrase, places)()).reveal()
      return text === '' ? undefined : keyFault(text, opener, algorithm)
    }
    case 'pair': {
      const certificate = await readFile(reference.certificate)
      return belongTogether(certificate, await readFile(reference.key))
        ? undefined
        : 'expected a certificate and the private key that belongs to it'
    }
  }
}

function secretFault(value: string): string | undefined {
  if (value === '') return 'expected a secret, and it is empty'
  // RFC 6749 appendix A.2. Servers refuse anything else, whichever way it is sent.
  return /^[\x20-\x7e]+$/.test(value)
    ? undefined
    : 'expected a secret of printable ASCII characters on one line, and it has others'
}

function keyFault(
  text: string,
  passphrase: string | undefined,
  algorithm: string,
): string | undefined {
  try {
    const { key } = parsePrivateKey(text, passphrase)
    return fitsAlgorithm(key, algorithm) ? undefined : `expected a private key for ${algorithm}`
  } catch {
    return 'expected a private key, as PEM or JWK, and the passphrase that opens it'
  }
}

function pemFault(pem: string): string | undefined {
  try {
    void new X509Certificate(pem)
    return undefined
  } catch {
    return 'expected a certificate in PEM form'
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
