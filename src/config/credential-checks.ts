import * as z from 'zod'
import { isRemotePlaintext } from '../lib/endpoint-url.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
import { error, type Finding, optionalFlag, optionalText, present, warning } from './finding.ts'
import type { KeyPath } from './problem.ts'

const secretOutline = z.object({ value: optionalText }).optional().catch(undefined)

const record = z.record(z.string(), z.unknown()).catch({})

export const credentialOutline = z.object({
  provider: present,
  issuer: present,
  tokenEndpoint: present,
  clientId: present,
  allowPlaintext: optionalFlag,
  audience: present,
  scopes: present,
  parameters: record,
  headers: record,
  auth: z
    .object({
      method: optionalText,
      header: record,
      clientSecret: secretOutline,
      key: secretOutline,
      passphrase: secretOutline,
    })
    .optional()
    .catch(undefined),
  grant: z
    .object({
      type: optionalText,
      issuer: present,
      claims: record,
      requestedTokenType: present,
      key: secretOutline,
      passphrase: secretOutline,
      subjectToken: secretOutline,
    })
    .optional()
    .catch(undefined),
  dpop: z.object({ key: secretOutline }).optional().catch(undefined),
  tls: z.object({ client: present }).optional().catch(undefined),
})

const providerOutline = z.object({ name: optionalText, url: optionalText })

type CredentialOutline = z.output<typeof credentialOutline>

/** What is wrong between the keys of a credential. */
export function checkCredential(name: string, credential: CredentialOutline): Finding[] {
  const at = ['credentials', name]
  return [
    ...checkServer(at, credential),
    ...checkIdentity(at, credential),
    ...checkProvider(at, credential),
    ...checkOverridden(at, credential),
    ...checkLiterals(at, credential),
  ]
}

/** Where tokens come from, and that the way there is private. */
function checkServer(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { provider, issuer, tokenEndpoint, allowPlaintext } = credential
  const findings: Finding[] = []
  if (issuer === undefined && tokenEndpoint === undefined && provider === undefined) {
    findings.push({
      ...error(at, 'expected "issuer", "tokenEndpoint" or "provider", got none of them'),
      misses: ['issuer', 'tokenEndpoint', 'provider'].map((key) => [...at, key]),
    })
  }
  if (issuer !== undefined && tokenEndpoint !== undefined) {
    findings.push(
      error([...at, 'tokenEndpoint'], 'expected either "issuer" or "tokenEndpoint", got both'),
    )
  }
  const places = [
    { path: ['issuer'], url: issuer },
    { path: ['tokenEndpoint'], url: tokenEndpoint },
    { path: ['provider', 'url'], url: providerOutline.safeParse(provider).data?.url },
  ]
  for (const { path, url } of places) {
    if (typeof url === 'string' && isRemotePlaintext(url) && allowPlaintext !== true) {
      findings.push(
        error(
          [...at, ...path],
          'expected an https URL, because the client secret would travel readable; "allowPlaintext: true" permits it',
        ),
      )
    }
  }
  return findings
}

/** Who the client is: there must be something that says so. */
function checkIdentity(at: KeyPath, { auth, grant, clientId, tls }: CredentialOutline): Finding[] {
  const findings: Finding[] = []
  const method = auth?.method
  const grantSaysIt = grant?.type === 'jwt_bearer' || grant?.type === 'token_exchange'
  // RFC 7523 section 3: the subject of an assertion is the client.
  const isOptional = method === 'client_assertion_file' || (method === 'none' && grantSaysIt)
  if (auth !== undefined && clientId === undefined && !isOptional) {
    findings.push(error([...at, 'clientId'], 'expected the client identifier'))
  }
  if (grant?.type === 'jwt_bearer' && clientId === undefined && grant.issuer === undefined) {
    findings.push(
      error(
        [...at, 'grant', 'issuer'],
        'expected the "iss" of the assertion, as there is no "clientId"',
      ),
    )
  }
  const isByCertificate = method === 'tls_client_auth' || method === 'self_signed_tls_client_auth'
  if (isByCertificate && tls?.client === undefined) {
    findings.push(
      error([...at, 'tls', 'client'], `expected the certificate that "${method}" is done with`),
    )
  }
  return findings
}

/** What a product can't do without. */
function checkProvider(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { audience, grant } = credential
  const provider = providerOutline.safeParse(credential.provider).data
  if (provider?.name === 'auth0' && audience === undefined) {
    return [error([...at, 'audience'], 'expected the audience, which Auth0 wants to know')]
  }
  if (provider?.name === 'apigee' && credential.tokenEndpoint === undefined) {
    return [
      error(
        [...at, 'tokenEndpoint'],
        'expected the token endpoint, as every API proxy in Apigee has its own',
      ),
    ]
  }
  if (provider?.name === 'google' && grant?.type !== 'jwt_bearer') {
    return [error([...at, 'grant', 'type'], 'expected "jwt_bearer", the grant of service accounts')]
  }
  return []
}

/** Fields of the token request that are always the sidecar's own, by their lower-case names. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'dpop',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** The claims of an assertion that other settings, or the time, decide. */
const OWN_CLAIMS: ReadonlySet<string> = new Set(['aud', 'exp', 'iat', 'iss', 'jti', 'sub'])

/** Settings that would have no effect, because another one decides the same. */
function checkOverridden(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { headers, parameters, auth, grant } = credential
  const decided = ownParameters(credential)
  return [
    ...Object.keys(headers)
      .filter((name) => OWN_HEADERS.has(name.toLowerCase()))
      .map((name) =>
        error([...at, 'headers', name], 'expected a header that the sidecar does not set itself'),
      ),
    ...Object.keys(parameters)
      .filter((name) => decided.has(name))
      .map((name) =>
        error(
          [...at, 'parameters', name],
          `expected a parameter that "${decided.get(name)}" does not set already`,
        ),
      ),
    ...Object.keys(grant?.claims ?? {})
      .filter((name) => OWN_CLAIMS.has(name))
      .map((name) =>
        error(
          [...at, 'grant', 'claims', name],
          'expected a claim that the grant does not set already, from its other settings',
        ),
      ),
    ...Object.keys(auth?.header ?? {})
      .filter((name) => name === 'alg')
      .map((name) =>
        error([...at, 'auth', 'header', name], 'expected "algorithm", which decides the signature'),
      ),
  ]
}

/** The parameters of the token request that other settings decide, with the names of those. */
function ownParameters(credential: CredentialOutline): ReadonlyMap<string, string> {
  const { clientId, scopes, auth, grant } = credential
  const method = auth?.method ?? 'client_secret_basic'
  const isByAssertion =
    method === 'client_secret_jwt' ||
    method === 'private_key_jwt' ||
    method === 'client_assertion_file'
  return new Map([
    ['grant_type', 'grant.type'],
    ...(isFilled(scopes) ? [['scope', 'scopes'] as const] : []),
    ...(method !== 'client_secret_basic' && clientId !== undefined
      ? [['client_id', 'clientId'] as const]
      : []),
    ...(method === 'client_secret_post' ? [['client_secret', 'auth'] as const] : []),
    ...(isByAssertion
      ? (['client_assertion', 'client_assertion_type'] as const).map(
          (name) => [name, 'auth'] as const,
        )
      : []),
    ...(grant?.type === 'jwt_bearer' ? [['assertion', 'grant'] as const] : []),
    ...(grant?.type === 'token_exchange'
      ? (['subject_token', 'subject_token_type'] as const).map((name) => [name, 'grant'] as const)
      : []),
    ...(grant?.type === 'token_exchange' && grant.requestedTokenType !== undefined
      ? [['requested_token_type', 'grant.requestedTokenType'] as const]
      : []),
  ])
}

function isFilled(list: unknown): boolean {
  return Array.isArray(list) && list.length > 0
}

/** Secrets that stand in the file itself, for anything but a demonstration. */
function checkLiterals(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { issuer, tokenEndpoint, auth, grant, dpop } = credential
  const url = issuer ?? tokenEndpoint
  const server = typeof url === 'string' ? URL.parse(url) : null
  if (server !== null && isLoopbackHost(server.hostname)) return []
  const places: readonly (readonly [
    readonly string[],
    { value?: string | undefined } | undefined,
  ])[] = [
    [['auth', 'clientSecret'], auth?.clientSecret],
    [['auth', 'key'], auth?.key],
    [['auth', 'passphrase'], auth?.passphrase],
    [['grant', 'key'], grant?.key],
    [['grant', 'passphrase'], grant?.passphrase],
    [['grant', 'subjectToken'], grant?.subjectToken],
    [['dpop', 'key'], dpop?.key],
  ]
  return places.flatMap(([path, secret]) =>
    secret?.value === undefined
      ? []
      : [
          warning(
            [...at, ...path, 'value'],
            'the secret stands in the configuration file; "file" or "env" keeps it out',
          ),
        ],
  )
}
