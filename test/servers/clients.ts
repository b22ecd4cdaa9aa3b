import { generateKeyPairSync, randomBytes, randomUUID, X509Certificate } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type JWK, SignJWT } from 'jose'
import { type Authority, type Certificate, createSelfSigned } from '../helpers/certificates.ts'
import type { Case, Method } from './authorization-server.ts'

/** A registered client with one set of credentials. */
export type Client = {
  readonly id: string
  readonly method: Method
  readonly isBound: boolean
  readonly secret: string
  readonly privateJwk: JWK
  readonly publicJwk: JWK
  readonly certificate: Certificate
  readonly subject: string
  /** In the subject alternative name of an issued certificate. */
  readonly dnsName: string
  /** `iss` and `sub` of the assertions in `client_assertion_file`. */
  readonly assertion: { readonly issuer: string; readonly subject: string }
  readonly isWorkload: boolean
}

function clientIdOf(caseId: string): string {
  return `client-${caseId.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`
}

export async function createClient(
  { id, method, isBound = false, isWorkload = false }: Case,
  authority: Authority,
  clusterIssuer: string,
): Promise<Client> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const about = { kid: randomUUID(), alg: 'RS256', use: 'sig' }
  const clientId = clientIdOf(id)
  const subject = `${clientId}-${about.kid}`
  const dnsName = `${about.kid}.clients.example.com`
  const isSelfSigned = method === 'self_signed_tls_client_auth'
  return {
    id: clientId,
    method,
    isBound,
    secret: randomBytes(32).toString('base64url'),
    privateJwk: { ...privateKey.export({ format: 'jwk' }), ...about },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...about },
    certificate: isSelfSigned
      ? await createSelfSigned(subject)
      : await authority.issue(subject, [dnsName]),
    subject: `CN=${subject}`,
    dnsName,
    assertion: isWorkload
      ? { issuer: clusterIssuer, subject: `system:serviceaccount:matrix:${clientId}` }
      : { issuer: clientId, subject: clientId },
    isWorkload,
  }
}

/** Writes the files that the sidecar reads, each atomically. */
export async function writeCredentials(
  directory: string,
  client: Client,
  assertionAudience: string,
): Promise<void> {
  await mkdir(directory, { recursive: true })
  // The key is written first: the sidecar does not use a key that does not match its certificate.
  await replaceFile(join(directory, 'secret'), client.secret)
  await replaceFile(join(directory, 'key.json'), JSON.stringify(client.privateJwk))
  await replaceFile(join(directory, 'tls-key.pem'), client.certificate.key)
  await replaceFile(join(directory, 'tls-certificate.pem'), client.certificate.certificate)
  await writeAssertion(directory, client, assertionAudience)
}

/** Writes a new assertion, as a platform does for its workloads. */
export async function writeAssertion(
  directory: string,
  client: Client,
  audience: string,
): Promise<void> {
  const {
    privateJwk,
    assertion: { issuer, subject },
  } = client
  const signed = await new SignJWT()
    .setProtectedHeader({ alg: 'RS256', kid: privateJwk.kid ?? '', typ: 'JWT' })
    .setIssuer(issuer)
    .setSubject(subject)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(privateJwk)
  await replaceFile(join(directory, 'assertion.jwt'), signed)
}

async function replaceFile(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`
  await writeFile(unfinished, text, { mode: 0o600 })
  await rename(unfinished, path)
}

/** RFC 8705 section 2.2.2: a self-signed certificate is registered as the `x5c` of a key. */
export function jwksOf({ method, publicJwk, certificate }: Client): {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
} {
  if (method !== 'self_signed_tls_client_auth') return { keys: [{ ...publicJwk }] }
  const { publicKey, raw } = new X509Certificate(certificate.certificate)
  return { keys: [{ ...publicKey.export({ format: 'jwk' }), x5c: [raw.toString('base64')] }] }
}

/** The credential of a case, with the files of `directory`. */
export function credentialOf(
  one: Case,
  directory: string,
  address: Readonly<Record<string, string>>,
  caFile: string,
): Record<string, unknown> {
  const isMutual = one.method.endsWith('tls_client_auth')
  return {
    ...address,
    ...(one.isUnnamed !== true && { clientId: clientIdOf(one.id) }),
    auth: { method: one.method, ...proofOf(one.method, directory), ...one.auth },
    tls: {
      ca: { file: caFile },
      ...(isMutual && {
        client: {
          certificate: { file: join(directory, 'tls-certificate.pem') },
          key: { file: join(directory, 'tls-key.pem') },
        },
      }),
    },
    ...one.credential,
  }
}

function proofOf(method: Method, directory: string): Record<string, unknown> {
  switch (method) {
    case 'client_secret_basic':
    case 'client_secret_post':
    case 'client_secret_jwt': {
      return { clientSecret: { file: join(directory, 'secret') } }
    }
    case 'private_key_jwt': {
      return { key: { file: join(directory, 'key.json') } }
    }
    case 'client_assertion_file': {
      return { file: join(directory, 'assertion.jwt') }
    }
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth': {
      return {}
    }
  }
}
