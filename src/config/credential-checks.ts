import { type CredentialOutline, providerOutline } from './credential-outline.ts'
import { isRemotePlaintext } from '../lib/endpoint-url.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
import { error, type Finding, unused, warning } from './finding.ts'
import { checkOverridden, type RouteOfCredential } from './overridden-settings.ts'
import { valueAt } from './hints.ts'
import type { KeyPath } from './problem.ts'

/** Checks that involve several settings of a credential. */
export function checkCredential(
  name: string,
  credential: CredentialOutline,
  routes: readonly RouteOfCredential[],
): Finding[] {
  const at = ['credentials', name]
  return [
    ...checkServer(at, credential),
    ...checkIdentity(at, credential),
    ...checkProvider(at, credential),
    ...checkOverridden(at, credential, routes),
    ...checkLiterals(at, credential),
  ]
}

/** The address of the authorization server, and that secrets are not sent to it without TLS. */
function checkServer(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { provider, issuer, tokenEndpoint, allowPlaintext, proxy } = credential
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
  if (typeof issuer === 'string' && issuer.includes('/.well-known/')) {
    findings.push(
      error(
        [...at, 'issuer'],
        'expected the issuer itself: "/.well-known/…" is added to it for discovery',
      ),
    )
  }
  const urls = [
    { path: ['issuer'], url: issuer },
    { path: ['tokenEndpoint'], url: tokenEndpoint },
    { path: ['provider', 'url'], url: providerOutline.safeParse(provider).data?.url },
  ]
  for (const { path, url } of urls) {
    if (
      typeof url === 'string' &&
      isRemotePlaintext(url, proxy !== undefined) &&
      allowPlaintext !== true
    ) {
      findings.push(
        error(
          [...at, ...path],
          'expected an https URL, because the client secret would be sent unencrypted; "allowPlaintext: true" permits it',
        ),
      )
    }
  }
  return findings
}

/** The client must be identified by `clientId`, an assertion or a certificate. */
function checkIdentity(at: KeyPath, { auth, grant, clientId, tls }: CredentialOutline): Finding[] {
  const findings: Finding[] = []
  const method = auth?.method
  const grantIdentifiesClient = grant?.type === 'jwt_bearer' || grant?.type === 'token_exchange'
  // RFC 7523 section 3: the subject of an assertion is the client.
  const isOptional =
    method === 'client_assertion_file' || (method === 'none' && grantIdentifiesClient)
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
      error(
        [...at, 'tls', 'client'],
        `expected the certificate that "${method}" authenticates with`,
      ),
    )
  }
  return findings
}

/** Settings that a product requires. */
function checkProvider(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { audience, grant } = credential
  const provider = providerOutline.safeParse(credential.provider).data
  if (provider?.name === 'auth0' && audience === undefined) {
    return [error([...at, 'audience'], 'expected the audience, which Auth0 requires')]
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
  return checkAddress(at, credential)
}

/** The settings of each provider that make up its addresses. */
const ADDRESS_SETTINGS: Readonly<Record<string, { required: string[]; optional: string[] }>> = {
  entra: { required: ['tenant'], optional: [] },
  okta: { required: ['domain'], optional: ['authorizationServer'] },
  auth0: { required: ['domain'], optional: [] },
  cognito: { required: ['domain'], optional: [] },
  keycloak: { required: ['url', 'realm'], optional: [] },
  ping: { required: ['environment'], optional: ['region'] },
  ebay: { required: [], optional: ['sandbox'] },
  shopify: { required: ['shop'], optional: [] },
}

/** The address comes from the provider, or from `issuer` or `tokenEndpoint`. */
function checkAddress(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { provider, issuer, tokenEndpoint } = credential
  const name = providerOutline.safeParse(provider).data?.name ?? ''
  const { required = [], optional = [] } = Object.hasOwn(ADDRESS_SETTINGS, name)
    ? (ADDRESS_SETTINGS[name] ?? {})
    : {}
  const isSet = (key: string): boolean => valueAt(provider, [key]) !== undefined
  const pathOf = (key: string): KeyPath => [...at, 'provider', key]
  const replacement = issuer === undefined ? 'tokenEndpoint' : 'issuer'
  if (issuer === undefined && tokenEndpoint === undefined) {
    return required
      .filter((key) => !isSet(key))
      .map((key) => error(pathOf(key), `expected the part of the address that "${name}" needs`))
  }
  if (issuer === undefined && namesIssuerInAssertion(credential, name)) return []
  return [...required, ...optional]
    .filter(isSet)
    .map((key) =>
      unused(
        pathOf(key),
        `expected nothing, because "${replacement}" replaces the address that it is a part of`,
      ),
    )
}

/** Whether an assertion contains the issuer, which is made up of the same settings as the address. */
function namesIssuerInAssertion({ auth, grant }: CredentialOutline, name: string): boolean {
  if (grant?.type === 'jwt_bearer' && grant.audience === 'issuer') return true
  if (auth?.method !== 'private_key_jwt' && auth?.method !== 'client_secret_jwt') return false
  const isForEndpoint = name === 'entra' || name === 'okta'
  return auth.audience === 'issuer' || (auth.audience === undefined && !isForEndpoint)
}

/** Warnings about secrets in the configuration file itself, except for a server on this machine. */
function checkLiterals(at: KeyPath, credential: CredentialOutline): Finding[] {
  const { issuer, tokenEndpoint, auth, grant, dpop } = credential
  const url = issuer ?? tokenEndpoint
  const server = typeof url === 'string' ? URL.parse(url) : null
  if (server !== null && isLoopbackHost(server.hostname)) return []
  const secrets: readonly (readonly [
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
  return secrets.flatMap(([path, secret]) =>
    secret?.value === undefined
      ? []
      : [
          warning(
            [...at, ...path, 'value'],
            'the secret is part of the configuration file; "file" or "env" keeps it out',
          ),
        ],
  )
}
