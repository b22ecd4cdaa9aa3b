import { type CredentialOutline, providerOutline } from './credential-outline.ts'
import { error, type Finding, unused } from './finding.ts'
import { formatKeyPath, type KeyPath } from './problem.ts'

/** What a route requests instead of what its credential requests. */
export type RouteOfCredential = {
  readonly index: number
  readonly scopes?: unknown
  readonly audience?: unknown
  readonly resource?: unknown
}

/** Header fields of the token request that the sidecar sets itself, in lower case. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'dpop',
  'expect',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Claims of an assertion that are set from other settings or from the time. */
const OWN_CLAIMS: ReadonlySet<string> = new Set(['aud', 'exp', 'iat', 'iss', 'jti', 'sub'])

/** Parameters, headers and claims that would be overwritten, because another setting sets them. */
export function checkOverridden(
  at: KeyPath,
  credential: CredentialOutline,
  routes: readonly RouteOfCredential[],
): Finding[] {
  return [
    ...overriddenHeaders(at, credential),
    ...overriddenParameters(at, credential, routes),
    ...overriddenInAssertions(at, credential, routes),
  ]
}

function overriddenHeaders(at: KeyPath, { headers }: CredentialOutline): Finding[] {
  const names = Object.keys(headers)
  const lowerCase = names.map((name) => name.toLowerCase())
  return names.flatMap((name, index) => {
    const path = [...at, 'headers', name]
    if (OWN_HEADERS.has(name.toLowerCase())) {
      return error(path, 'expected a header that the sidecar does not set itself')
    }
    return lowerCase.indexOf(name.toLowerCase()) < index
      ? error(path, 'expected each header once: upper and lower case make no difference')
      : []
  })
}

function overriddenParameters(
  at: KeyPath,
  credential: CredentialOutline,
  routes: readonly RouteOfCredential[],
): Finding[] {
  const decided = ownParameters(credential, routes)
  return Object.keys(credential.parameters).flatMap((name) => {
    const setting = decided.get(name)
    if (setting === undefined) return []
    const message = `expected a parameter that "${setting}" does not set already`
    const path = [...at, 'parameters', name]
    return name === 'grant_type' ? error(path, message) : unused(path, message)
  })
}

function overriddenInAssertions(
  at: KeyPath,
  credential: CredentialOutline,
  routes: readonly RouteOfCredential[],
): Finding[] {
  const { auth, grant, provider } = credential
  const scopesAt = nonEmptySetting('scopes', credential, routes)
  const isGoogle = providerOutline.safeParse(provider).data?.name === 'google'
  const claims = Object.keys(grant?.claims ?? {}).flatMap((name) => {
    const path = [...at, 'grant', 'claims', name]
    if (OWN_CLAIMS.has(name)) {
      return error(
        path,
        'expected a claim that the grant does not set already, from its other settings',
      )
    }
    return name === 'scope' && isGoogle && scopesAt !== undefined
      ? error(path, `expected a claim that "${scopesAt}" does not set already`)
      : []
  })
  const members = Object.keys(auth?.header ?? {}).flatMap((name) => {
    const path = [...at, 'auth', 'header', name]
    if (name === 'alg') return error(path, 'expected "algorithm" instead, which sets it')
    return name === 'kid' && auth?.keyId !== undefined
      ? error(path, 'expected a member that "keyId" does not set already')
      : []
  })
  return [...claims, ...members]
}

/** The parameters of the token request that other settings set, with the names of those settings. */
function ownParameters(
  credential: CredentialOutline,
  routes: readonly RouteOfCredential[],
): ReadonlyMap<string, string> {
  const { clientId, auth, grant } = credential
  const method = auth?.method ?? 'client_secret_basic'
  const isByAssertion =
    method === 'client_secret_jwt' ||
    method === 'private_key_jwt' ||
    method === 'client_assertion_file'
  const isExchange = grant?.type === 'token_exchange'
  const decided: readonly (readonly [string, string | undefined])[] = [
    ['grant_type', 'grant.type'],
    ['scope', nonEmptySetting('scopes', credential, routes)],
    ['audience', nonEmptySetting('audience', credential, routes)],
    ['resource', nonEmptySetting('resource', credential, routes)],
    [
      'client_id',
      method !== 'client_secret_basic' && clientId !== undefined ? 'clientId' : undefined,
    ],
    ['client_secret', method === 'client_secret_post' ? 'auth' : undefined],
    ['client_assertion', isByAssertion ? 'auth' : undefined],
    ['client_assertion_type', isByAssertion ? 'auth' : undefined],
    ['assertion', grant?.type === 'jwt_bearer' ? 'grant' : undefined],
    ['subject_token', isExchange ? 'grant' : undefined],
    ['subject_token_type', isExchange ? 'grant' : undefined],
    [
      'requested_token_type',
      isExchange && grant.requestedTokenType !== undefined ? 'grant.requestedTokenType' : undefined,
    ],
  ]
  return new Map(
    decided.flatMap(([name, setting]) => (setting === undefined ? [] : [[name, setting]])),
  )
}

/** The setting of the credential, or of a route that uses it, that is not empty. */
function nonEmptySetting(
  key: 'scopes' | 'audience' | 'resource',
  credential: CredentialOutline,
  routes: readonly RouteOfCredential[],
): string | undefined {
  if (isNotEmpty(credential[key])) return key
  const route = routes.find((candidate) => isNotEmpty(candidate[key]))
  return route && formatKeyPath(['routes', route.index, key])
}

function isNotEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : typeof value === 'string'
}
