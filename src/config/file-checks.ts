import { X509Certificate } from 'node:crypto'
import { dirname } from 'node:path'
import * as z from 'zod'
import { fitsAlgorithm, parsePrivateKey } from '../lib/private-key.ts'
import { belongTogether } from '../lib/tls-material.ts'
import type { Finding } from './finding.ts'
import { outlineAdmin, outlineListeners } from './listener-checks.ts'
import type { KeyPath } from './problem.ts'
import { unreadableReason } from './read-file.ts'
import { isWritableByOthers, writableByOthers } from './permissions.ts'
import { illegalCharacter, isQuotableVariable } from './quotable.ts'
import { fileSchema } from './schema.ts'
import { childOf, isRecord, type Setting, settingOf } from './schema-walk.ts'
import { createSecretReader, type ConfigEnvironment } from './secret-reader.ts'
import { type SecretRef, secretRef } from './value-schemas.ts'

/** Whether the variables and files that a setting refers to are checked. */
export type ReferenceFilter = (path: KeyPath) => boolean

/** Checks the variables, secrets, keys, certificates and sockets that the file refers to. */
export async function checkFiles(
  data: unknown,
  environment: ConfigEnvironment,
  isChecked: ReferenceFilter = () => true,
): Promise<Finding[]> {
  const references = [...referencesIn(data, settingOf(fileSchema), []), ...socketsOf(data)]
  const checks = references
    .filter(({ path }) => isChecked(path))
    .map(async (reference) => await checkReference(reference, environment))
  return (await Promise.all(checks)).flat()
}

/** The file or secret that a setting refers to, and the required content. */
type Reference =
  | {
      readonly kind: SecretKind | 'text' | 'certificate'
      readonly path: KeyPath
      readonly file: string
    }
  | {
      readonly kind: 'variable'
      readonly path: KeyPath
      readonly name: string
      /** Undefined for what is no secret. */
      readonly secret: SecretKind | undefined
    }
  | {
      readonly kind: 'literal'
      readonly path: KeyPath
      readonly value: string
      readonly secret: SecretKind
    }
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

type SecretKind = 'secret' | 'user name' | 'encryption key'

const SECRETS: readonly SecretKind[] = ['secret', 'user name', 'encryption key']

/** That many random hexadecimal digits have 128 bits. */
const MIN_KEY_LENGTH = 32

/** More than any valid file has. */
const MAX_DEPTH = 12

/** All references of the file, even if other parts of it are invalid. */
function* referencesIn(value: unknown, setting: Setting, path: KeyPath): Generator<Reference> {
  // An anchor may contain an alias of itself.
  if (setting.schemas.length === 0 || path.length > MAX_DEPTH) return
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
  const secret = SECRETS.find((kind) => kind === reference)
  if (typeof file === 'string') {
    const kind = secret ?? (reference === 'certificate' ? 'certificate' : 'text')
    yield { kind, path: [...path, 'file'], file }
  }
  if (typeof env === 'string') {
    yield { kind: 'variable', path: [...path, 'env'], name: env, secret }
  }
  if (typeof value === 'string' && secret !== undefined) {
    yield { kind: 'literal', path: [...path, 'value'], value, secret }
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

/** The algorithm that a key is used with: the configured one or the default. */
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

function socketsOf(data: unknown): Reference[] {
  return [...outlineListeners(data), outlineAdmin(data)].flatMap(({ address = '', addressAt }) =>
    address.startsWith('unix:')
      ? [{ kind: 'socket', path: addressAt, socket: address.slice('unix:'.length) }]
      : [],
  )
}

async function checkReference(
  reference: Reference,
  environment: ConfigEnvironment,
): Promise<Finding[]> {
  const { path } = reference
  try {
    const message = await problemOf(reference, environment)
    if (message !== undefined) return [{ path, message, severity: 'error' }]
    const warnings = await warningsOf(reference, environment)
    return warnings.map((text) => ({ path, message: text, severity: 'warning' }))
  } catch (cause) {
    // The members of these settings are also checked separately.
    if (reference.kind === 'pair' || reference.kind === 'signing key') return []
    const message = `expected a file that can be read (${unreadableReason(cause)})`
    return [{ path, message, severity: 'error' }]
  }
}

async function problemOf(
  reference: Reference,
  environment: ConfigEnvironment,
): Promise<string | undefined> {
  const { env, readFile } = environment
  switch (reference.kind) {
    case 'variable': {
      const { name } = reference
      const value = Object.hasOwn(env, name) ? env[name] : undefined
      if (value !== undefined && value !== '') {
        return reference.secret && secretProblem(value, reference.secret)
      }
      // The secret may have been written in place of the name.
      if (!isQuotableVariable(name)) {
        return 'expected the name of an environment variable that is set and not empty, such as CLIENT_SECRET, without "$"'
      }
      const state = value === undefined ? 'it is not set' : 'it is empty'
      return `expected the environment variable ${name} to be set and not empty, and ${state}`
    }
    case 'literal': {
      return secretProblem(reference.value, reference.secret)
    }
    case 'secret':
    case 'user name':
    case 'encryption key': {
      return secretProblem(await readSecretFile(reference.file, environment), reference.kind)
    }
    case 'text': {
      return (await readFile(reference.file)).trim() === ''
        ? 'expected a file that is not empty'
        : undefined
    }
    case 'certificate': {
      return pemProblem(await readFile(reference.file))
    }
    case 'signing key': {
      const { ref, passphrase, algorithm } = reference
      const text = (await createSecretReader(ref, environment)()).reveal()
      const opener = passphrase && (await createSecretReader(passphrase, environment)()).reveal()
      return text === '' ? undefined : keyProblem(text, opener, algorithm)
    }
    case 'pair': {
      const certificate = await readFile(reference.certificate)
      return belongTogether(certificate, await readFile(reference.key))
        ? undefined
        : 'expected a certificate and the private key that belongs to it'
    }
    case 'socket': {
      return await socketProblem(reference.socket, environment)
    }
  }
}

/** Likely mistakes that do not prevent the sidecar from running. */
async function warningsOf(reference: Reference, environment: ConfigEnvironment): Promise<string[]> {
  switch (reference.kind) {
    case 'secret':
    case 'user name':
    case 'encryption key':
    case 'text':
    case 'certificate': {
      const { file, kind } = reference
      const mode = (await environment.stat?.(file))?.mode ?? 0
      return [
        ...(kind !== 'text' && kind !== 'certificate'
          ? surroundingWhitespace(await readSecretFile(file, environment))
          : []),
        ...(isWritableByOthers(mode) ? [writableByOthers('this file', mode)] : []),
      ]
    }
    case 'variable': {
      return reference.secret !== undefined
        ? surroundingWhitespace(environment.env[reference.name] ?? '')
        : []
    }
    case 'literal': {
      return surroundingWhitespace(reference.value)
    }
    case 'signing key':
    case 'pair':
    case 'socket': {
      return []
    }
  }
}

function surroundingWhitespace(secret: string): string[] {
  const ends = [...(/^\s/.test(secret) ? ['begins'] : []), ...(/\s$/.test(secret) ? ['ends'] : [])]
  return ends.length === 0 ? [] : [`the secret ${ends.join(' and ')} with whitespace`]
}

async function readSecretFile(file: string, { readFile }: ConfigEnvironment): Promise<string> {
  return (await readFile(file)).replace(/\r?\n$/, '')
}

/** The path of a socket is relative to the working directory, unlike those of other files. */
async function socketProblem(
  socket: string,
  { statSocket }: ConfigEnvironment,
): Promise<string | undefined> {
  if (statSocket === undefined) return undefined
  const directory = await statSocket(dirname(socket))
  if (directory === undefined)
    return `expected a socket in a directory that exists, and "${dirname(socket)}" does not`
  if (directory.kind !== 'directory')
    return `expected a socket in a directory, and "${dirname(socket)}" is not a directory`
  const existing = await statSocket(socket)
  return existing === undefined || existing.kind === 'socket'
    ? undefined
    : `expected the path of a socket, and something else is at "${socket}"`
}

function secretProblem(value: string, kind: SecretKind): string | undefined {
  // RFC 7617 section 2: what follows a colon is the password.
  if (kind === 'user name' && value.includes(':')) return 'expected a user name without ":"'
  if (value === '') return 'expected a secret, and it is empty'
  if (kind === 'encryption key' && value.length < MIN_KEY_LENGTH) {
    return `expected at least ${MIN_KEY_LENGTH} characters, got ${value.length}`
  }
  // RFC 6749 appendix A.2. Servers reject other characters, with any client authentication method.
  const illegal = illegalCharacter(value, /^[\x20-\x7e]$/)
  return illegal && `expected a secret of printable ASCII characters on one line, and ${illegal}`
}

function keyProblem(
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

function pemProblem(pem: string): string | undefined {
  try {
    void new X509Certificate(pem)
    return undefined
  } catch {
    return 'expected a certificate in PEM form'
  }
}
