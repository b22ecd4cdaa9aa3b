import { X509Certificate } from 'node:crypto'
import { dirname } from 'node:path'
import * as z from 'zod'
import { fitsAlgorithm, parsePrivateKey } from '../lib/private-key.ts'
import { belongTogether } from '../lib/tls-material.ts'
import type { Finding } from './finding.ts'
import { valueAt } from './hints.ts'
import { parseListenAddress } from './listen-address.ts'
import type { KeyPath } from './problem.ts'
import { unreadableReason } from './read-file.ts'
import { illegalCharacter, looksLikeVariable } from './repeatable.ts'
import { fileSchema } from './schema.ts'
import { childOf, isRecord, type Setting, settingOf } from './schema-walk.ts'
import { createSecretReader, type SecretPlaces } from './secret-ref.ts'
import { type SecretRef, secretRef } from './value-schemas.ts'

/** Whether what a setting names outside of the file is looked at: its variables and files. */
export type Examines = (path: KeyPath) => boolean

/** Looks at everything outside of the file that it refers to: secrets, keys and certificates. */
export async function checkFiles(
  data: unknown,
  places: SecretPlaces,
  examines: Examines = () => true,
): Promise<Finding[]> {
  const references = [...referencesIn(data, settingOf(fileSchema), []), ...socketsOf(data)]
  const looks = references
    .filter(({ path }) => examines(path))
    .map(async (reference) => await look(reference, places))
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
  | { readonly kind: 'socket'; readonly path: KeyPath; readonly socket: string }

/** Deeper than anything that the file may say. */
const DEEPEST = 12

/** Everything in the file that refers to something outside of it, however wrong the rest is. */
function* referencesIn(value: unknown, setting: Setting, path: KeyPath): Generator<Reference> {
  // An anchor may contain itself.
  if (setting.schemas.length === 0 || path.length > DEEPEST) return
  const { reference } = setting.role
  if (reference === 'file' && typeof value === 'string') {
    yield { kind: 'text', path, file: value }
  }
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield* referencesIn(item, childOf(setting, index, value), [...path, index])
    }
  }
  if (!isRecord(value)) return
  if (reference === 'key pair') yield* pairOf(value, path)
  else if (reference !== undefined) yield* referencesOf(value, reference, path)
  for (const [key, inner] of Object.entries(value)) {
    const child = childOf(setting, key, value)
    if (child.role.reference === 'signing key') yield* signingKeyOf(value, setting, [...path, key])
    yield* referencesIn(inner, child, [...path, key])
  }
}

function* referencesOf(
  { file, env, value }: Readonly<Record<string, unknown>>,
  reference: NonNullable<Setting['role']['reference']>,
  path: KeyPath,
): Generator<Reference> {
  const isSecret = reference === 'secret'
  if (typeof file === 'string') {
    const kind = isSecret ? 'secret' : reference === 'certificate' ? 'certificate' : 'text'
    yield { kind, path: [...path, 'file'], file }
  }
  if (typeof env === 'string') {
    yield { kind: 'variable', path: [...path, 'env'], name: env, isSecret }
  }
  if (typeof value === 'string' && isSecret) {
    yield { kind: 'literal', path: [...path, 'value'], value }
  }
}

function* signingKeyOf(
  around: Readonly<Record<string, unknown>>,
  setting: Setting,
  path: KeyPath,
): Generator<Reference> {
  const ref = secretRef.safeParse(around['key']).data
  if (ref === undefined) return
  const place = ref.file === undefined ? (ref.env === undefined ? 'value' : 'env') : 'file'
  yield {
    kind: 'signing key',
    path: [...path, place],
    ref,
    passphrase: secretRef.safeParse(around['passphrase']).data,
    algorithm: algorithmOf(around, setting),
  }
}

/** The algorithm that a key is for: what the file says, or the default. */
function algorithmOf(around: Readonly<Record<string, unknown>>, { schemas }: Setting): string {
  const given = around['algorithm']
  if (typeof given === 'string') return given
  const objects = schemas.flatMap((schema) =>
    schema instanceof z.ZodUnion ? [...schema.options] : [schema],
  )
  for (const schema of objects) {
    const shape: Readonly<Record<string, z.core.$ZodType>> =
      schema instanceof z.ZodObject ? schema.shape : {}
    const fallback = shape['algorithm'] && z.safeParse(shape['algorithm'], undefined).data
    if (typeof fallback === 'string') return fallback
  }
  return ''
}

function* pairOf(
  { key, cert, certificate = cert }: Readonly<Record<string, unknown>>,
  path: KeyPath,
): Generator<Reference> {
  if (!isRecord(certificate) || !isRecord(key)) return
  if (typeof certificate['file'] !== 'string' || typeof key['file'] !== 'string') return
  yield { kind: 'pair', path, certificate: certificate['file'], key: key['file'] }
}

function* socketsOf(data: unknown): Generator<Reference> {
  for (const name of ['listen', 'admin']) {
    const given = valueAt(data, [name])
    const inMap = valueAt(data, [name, 'unix'])
    const address = typeof given === 'string' ? parseListenAddress(given) : undefined
    if (address?.kind === 'unix') yield { kind: 'socket', path: [name], socket: address.path }
    if (typeof inMap === 'string') yield { kind: 'socket', path: [name, 'unix'], socket: inMap }
  }
}

async function look(reference: Reference, places: SecretPlaces): Promise<Finding[]> {
  const { path } = reference
  try {
    const message = await faultOf(reference, places)
    if (message !== undefined) return [{ path, message, severity: 'error' }]
    const warnings = await warningsOf(reference, places)
    return warnings.map((text) => ({ path, message: text, severity: 'warning' }))
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
      const { name } = reference
      const value = Object.hasOwn(env, name) ? env[name] : undefined
      if (value !== undefined && value !== '') {
        return reference.isSecret ? secretFault(value) : undefined
      }
      // A secret may have been put in the place of the name.
      if (!looksLikeVariable(name)) {
        return 'expected the name of an environment variable that is set and not empty'
      }
      const state = value === undefined ? 'it is not set' : 'it is empty'
      return `expected the environment variable ${name} to be set and not empty, and ${state}`
    }
    case 'literal': {
      return secretFault(reference.value)
    }
    case 'secret': {
      return secretFault(await readSecretFile(reference.file, places))
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
    case 'socket': {
      return await socketFault(reference.socket, places)
    }
  }
}

/** What does not keep the sidecar from running, and is most likely a mistake. */
async function warningsOf(reference: Reference, places: SecretPlaces): Promise<string[]> {
  switch (reference.kind) {
    case 'secret':
    case 'text':
    case 'certificate': {
      const { file, kind } = reference
      const mode = (await places.stat?.(file))?.mode ?? 0
      return [
        ...(kind === 'secret' ? whiteSpace(await readSecretFile(file, places)) : []),
        ...((mode & WRITABLE_BY_ALL) === 0
          ? []
          : [
              `everyone on this machine can change this file (mode ${(mode & 0o7777).toString(8).padStart(4, '0')}); "chmod o-w" takes that permission away`,
            ]),
      ]
    }
    case 'variable': {
      return reference.isSecret ? whiteSpace(places.env[reference.name] ?? '') : []
    }
    case 'literal': {
      return whiteSpace(reference.value)
    }
    case 'signing key':
    case 'pair':
    case 'socket': {
      return []
    }
  }
}

const WRITABLE_BY_ALL = 0o002

function whiteSpace(secret: string): string[] {
  const ends = [...(/^\s/.test(secret) ? ['begins'] : []), ...(/\s$/.test(secret) ? ['ends'] : [])]
  return ends.length === 0 ? [] : [`the secret ${ends.join(' and ')} with white space`]
}

async function readSecretFile(file: string, { readFile }: SecretPlaces): Promise<string> {
  return (await readFile(file)).replace(/\r?\n$/, '')
}

/** The path of a socket is meant from the working directory, unlike those of other files. */
async function socketFault(
  socket: string,
  { statSocket }: SecretPlaces,
): Promise<string | undefined> {
  if (statSocket === undefined) return undefined
  const directory = await statSocket(dirname(socket))
  if (directory === undefined)
    return `expected a socket in a directory that exists, and "${dirname(socket)}" does not`
  if (directory.kind !== 'directory')
    return `expected a socket in a directory, and "${dirname(socket)}" is none`
  const there = await statSocket(socket)
  return there === undefined || there.kind === 'socket'
    ? undefined
    : `expected the path of a socket, and something else is at "${socket}"`
}

function secretFault(value: string): string | undefined {
  if (value === '') return 'expected a secret, and it is empty'
  // RFC 6749 appendix A.2. Servers refuse anything else, whichever way it is sent.
  const illegal = illegalCharacter(value, /^[\x20-\x7e]$/)
  return illegal && `expected a secret of printable ASCII characters on one line, and ${illegal}`
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
