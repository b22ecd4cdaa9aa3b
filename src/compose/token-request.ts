import type { ClientAuthConfig } from '../config/client-auth-schema.ts'
import type { CredentialConfig } from '../config/credential-schema.ts'
import type { GrantConfig } from '../config/grant-schema.ts'
import { createSecretReader, type ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import { type ClientAuthMethod, prepareClientAuth } from '../tokens/client-auth.ts'
import type { DpopKey } from '../tokens/dpop.ts'
import { createEndpointClient, type EndpointClient } from '../tokens/endpoint-client.ts'
import { type Grant, grantFingerprint, grantIdentity } from '../tokens/grant.ts'
import {
  createDiscoveredMetadata,
  createFixedMetadata,
  type ServerMetadata,
} from '../tokens/server-metadata.ts'
import type { SigningKeySource } from '../tokens/signing-key.ts'
import { createTokenEndpointRequest } from '../tokens/token-endpoint.ts'
import type { TokenRequest } from '../tokens/token-source.ts'
import { VERSION } from '../version.ts'
import { composeEndpointProxy } from './endpoint-proxy.ts'
import { presetOf } from './provider-presets.ts'

/** What the token sources of one credential share. */
export type AuthorizationServer = {
  /** The token endpoint, or the issuer if there is none. */
  readonly url: URL
  readonly client: EndpointClient
  readonly metadata: ServerMetadata
  readonly auth: ClientAuthMethod
  readonly dpop: DpopKey | undefined
  /** Changes with the secret, key, certificate or assertion. */
  readonly readFingerprint: () => Promise<string>
  /**
   * The same, but for assertions that are issued to each instance: by the subject that they name, so that the
   * instances of a workload are one client.
   */
  readonly readIdentity: () => Promise<string>
}

export function composeAuthorizationServer(
  credential: CredentialConfig,
  places: ConfigEnvironment,
  dpop: DpopKey | undefined,
  clock: Clock,
): AuthorizationServer {
  const { issuer, timeout, allowPlaintext, proxy } = credential
  const preset = presetOf(credential)
  const readTls = createTlsReader(credential.tls, places.readFile)
  const client = createEndpointClient({
    readTls,
    proxy: proxy && composeEndpointProxy(proxy, places, { timeoutMs: timeout, clock }),
    timeoutMs: timeout,
  })
  const tokenEndpoint = credential.tokenEndpoint ?? preset.tokenEndpoint
  const metadata =
    issuer === undefined
      ? createFixedMetadata(tokenEndpoint ?? '', preset.issuer)
      : createDiscoveredMetadata({ issuer, client, allowPlaintext, timeoutMs: timeout, clock })
  const auth = clientAuthMethod(credential, places)
  const grant = grantOf(credential, [], places)
  return {
    url: new URL(tokenEndpoint ?? issuer ?? ''),
    client,
    metadata,
    auth,
    dpop,
    async readFingerprint() {
      const { cert, key } = await readTls()
      const clientAuth = await prepareClientAuth(auth)
      return fingerprint(clientAuth.fingerprint, cert, key, await grantFingerprint(grant))
    },
    async readIdentity() {
      const { cert, key } = await readTls()
      const { identity, fingerprint: proof } = await prepareClientAuth(auth)
      return fingerprint(identity ?? proof, cert, key, await grantIdentity(grant))
    },
  }
}

export type Requested = Pick<CredentialConfig, 'scopes' | 'audience' | 'resource'>

/** The token request of a credential for these scopes, audiences and resources. */
export function composeTokenRequest(
  credential: CredentialConfig,
  requested: Requested,
  server: AuthorizationServer,
  { places, clock }: { readonly places: ConfigEnvironment; readonly clock: Clock },
): TokenRequest {
  const preset = presetOf(credential)
  const { scope = (plain: string) => plain, scopesInAssertion = false } = preset
  const scopes = requested.scopes.map(scope)
  const inForm = scopesInAssertion ? [] : scopes
  const inAssertion = scopesInAssertion ? scopes : []
  return createTokenEndpointRequest({
    server: server.metadata,
    client: server.client,
    clientId: credential.clientId,
    auth: server.auth,
    grant: grantOf(credential, inAssertion, places),
    form: tokenForm({ ...requested, scopes: inForm, parameters: credential.parameters }),
    headers: { 'user-agent': `token-sidecar/${VERSION}`, ...lowerCased(credential.headers) },
    dpop: server.dpop,
    tokenType: credential.tokenType ?? preset.tokenType,
    requestedScopes: scopes,
    mutualTls: credential.tls.client !== undefined,
    timeoutMs: credential.timeout,
    defaultLifetimeMs: credential.defaultLifetime,
    clock,
  })
}

/** Field names are case-insensitive: a configured field replaces a default one. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
}

/** Form fields without those of the grant. Empty ones are omitted, because servers differ in how they treat them. */
function tokenForm(request: Requested & Pick<CredentialConfig, 'parameters'>): URLSearchParams {
  const { scopes, audience, resource, parameters } = request
  const form = new URLSearchParams(parameters)
  if (audience.length > 0) form.delete('audience')
  if (resource.length > 0) form.delete('resource')
  if (scopes.length > 0) form.set('scope', scopes.join(' '))
  for (const value of audience) form.append('audience', value)
  for (const value of resource) form.append('resource', value)
  return form
}

function clientAuthMethod(
  credential: CredentialConfig,
  places: ConfigEnvironment,
): ClientAuthMethod {
  const auth: ClientAuthConfig = credential.auth
  const preset = presetOf(credential)
  switch (auth.method) {
    case undefined:
    case 'client_secret_basic': {
      const readSecret = createSecretReader(auth.clientSecret, places)
      return { method: 'client_secret_basic', readSecret, encoding: auth.encoding }
    }
    case 'client_secret_post': {
      return { method: auth.method, readSecret: createSecretReader(auth.clientSecret, places) }
    }
    case 'client_secret_jwt': {
      return {
        method: auth.method,
        readSecret: createSecretReader(auth.clientSecret, places),
        audience: auth.audience ?? preset.assertionAudience ?? 'issuer',
        header: { ...preset.assertionHeader, ...auth.header },
      }
    }
    case 'private_key_jwt': {
      return {
        method: auth.method,
        key: signingKeySource(auth, places),
        audience: auth.audience ?? preset.assertionAudience ?? 'issuer',
        header: { ...preset.assertionHeader, ...auth.header },
      }
    }
    case 'client_assertion_file': {
      return {
        method: auth.method,
        readAssertion: createSecretReader({ file: auth.file }, places),
        assertionType: assertionTypeUri(auth.assertionType),
      }
    }
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
    case 'none': {
      return { method: auth.method }
    }
  }
}

/** A short name is the last part of a registered type (RFC 7521 section 8.1). */
function assertionTypeUri(name: string): string {
  return name.includes(':') ? name : `urn:ietf:params:oauth:client-assertion-type:${name}`
}

function grantOf(
  credential: CredentialConfig,
  scopesInAssertion: readonly string[],
  places: ConfigEnvironment,
): Grant {
  const grant: GrantConfig = credential.grant
  switch (grant.type) {
    case 'client_credentials': {
      return { type: grant.type }
    }
    case 'jwt_bearer': {
      const issuer = grant.issuer ?? credential.clientId ?? ''
      return {
        type: grant.type,
        key: signingKeySource(grant, places),
        issuer,
        subject: grant.subject ?? issuer,
        audience: grant.audience,
        claims: {
          ...(scopesInAssertion.length > 0 && { scope: scopesInAssertion.join(' ') }),
          ...grant.claims,
        },
      }
    }
    case 'token_exchange': {
      return {
        type: grant.type,
        readSubjectToken: createSecretReader(grant.subjectToken, places),
        subjectTokenType: grant.subjectTokenType,
        requestedTokenType: grant.requestedTokenType,
      }
    }
  }
}

type SigningKeyConfig = Extract<ClientAuthConfig, { method: 'private_key_jwt' }>

function signingKeySource(
  {
    key,
    passphrase,
    algorithm,
    keyId,
  }: Pick<SigningKeyConfig, 'key' | 'passphrase' | 'algorithm' | 'keyId'>,
  places: ConfigEnvironment,
): SigningKeySource {
  return {
    readKey: createSecretReader(key, places),
    readPassphrase: passphrase && createSecretReader(passphrase, places),
    algorithm,
    keyId,
  }
}
