import type { CredentialConfig } from '../config/credential-schema.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import { createSecretReader, type SecretPlaces } from '../config/secret-ref.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { createClientCredentialsRequest } from '../tokens/client-credentials.ts'
import { createEndpointClient, type EndpointClient } from '../tokens/endpoint-client.ts'
import { createKeptToken } from '../tokens/kept-token.ts'
import { createObservedRequest } from '../tokens/observed-request.ts'
import {
  createDiscoveredMetadata,
  createFixedMetadata,
  type ServerMetadata,
} from '../tokens/server-metadata.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { VERSION } from '../version.ts'

/** A token that one or more routes need. */
type NeededToken = {
  /** The credential's name, or `credential/route` for a route that asks for a token of its own. */
  readonly token: string
  readonly credential: string
  readonly prefetch: boolean
  readonly source: TokenSource
}

export type TokenSources = {
  readonly needed: readonly NeededToken[]
  /** The source of a route's token; undefined for a route that only forwards. */
  of(route: RouteConfig): TokenSource | undefined
  close(): Promise<void>
}

export type TokenSourcesOptions = {
  readonly credentials: Readonly<Record<string, CredentialConfig>>
  readonly routes: readonly RouteConfig[]
  readonly places: SecretPlaces
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
}

/** One source for each distinct token: routes that ask for the same one share it. */
export async function composeTokenSources(options: TokenSourcesOptions): Promise<TokenSources> {
  const { routes, places } = options
  const servers = new Map<string, AuthorizationServer>()
  for (const [name, credential] of Object.entries(options.credentials)) {
    const { ca } = credential.tls
    const pem = ca && (await places.readFile(ca.file))
    servers.set(name, createAuthorizationServer(credential, pem))
  }

  const needed = new Map<string, NeededToken>()
  for (const route of routes) {
    const credential = options.credentials[route.credential]
    const server = servers.get(route.credential)
    if (credential === undefined || server === undefined) continue
    const key = tokenKey(route, credential)
    if (needed.has(key)) continue
    const isOwn = key !== tokenKey({ credential: route.credential }, credential)
    const token = isOwn ? `${route.credential}/${route.name}` : route.credential
    const form = tokenForm({ ...credential, ...requested(route, credential) })
    const source = createSource(token, route.credential, { credential, server, form, ...options })
    needed.set(key, { token, credential: route.credential, prefetch: credential.prefetch, source })
  }

  return {
    needed: [...needed.values()],
    of(route) {
      const credential = options.credentials[route.credential]
      return credential && needed.get(tokenKey(route, credential))?.source
    },
    async close() {
      for (const { source } of needed.values()) source.close()
      await Promise.all([...servers.values()].map(async ({ client }) => await client.close()))
    },
  }
}

type AuthorizationServer = { readonly client: EndpointClient; readonly metadata: ServerMetadata }

function createAuthorizationServer(
  credential: CredentialConfig,
  ca: string | undefined,
): AuthorizationServer {
  const { issuer, tokenEndpoint = '', timeout, allowPlaintext } = credential
  const client = createEndpointClient({ ca, timeoutMs: timeout })
  const metadata =
    issuer === undefined
      ? createFixedMetadata(tokenEndpoint)
      : createDiscoveredMetadata({ issuer, client, allowPlaintext })
  return { client, metadata }
}

type SourceParts = TokenSourcesOptions & {
  readonly credential: CredentialConfig
  readonly server: AuthorizationServer
  readonly form: URLSearchParams
}

/** Obtain, count, remember: each wraps the one before. */
function createSource(token: string, credentialName: string, parts: SourceParts): TokenSource {
  const { credential, server, form, places, clock, metrics, logger } = parts
  const { method = 'client_secret_basic', clientSecret } = credential.auth
  const direct = createClientCredentialsRequest({
    server: server.metadata,
    client: server.client,
    clientId: credential.clientId,
    auth: { method, readSecret: createSecretReader(clientSecret, places) },
    form,
    userAgent: `token-sidecar/${VERSION}`,
    timeoutMs: credential.timeout,
    defaultLifetimeMs: credential.defaultLifetime,
    clock,
  })
  const observed = createObservedRequest(direct, {
    metrics: metrics.tokenRequests(credentialName),
    clock,
  })
  return createKeptToken(observed, {
    refresh: { leewayMs: credential.refresh.leeway, jitterMs: credential.refresh.jitter },
    clock,
    random: Math.random,
    log: logger.child({ credential: credentialName, tokenName: token }),
  })
}

type Requested = Pick<CredentialConfig, 'scopes' | 'audience' | 'resource'>

/** What the token is asked to be good for: the route's word, else the credential's. */
function requested(route: Partial<RouteConfig>, credential: CredentialConfig): Requested {
  return {
    scopes: route.scopes ?? credential.scopes,
    audience: route.audience ?? credential.audience,
    resource: route.resource ?? credential.resource,
  }
}

/** Scopes are a set (RFC 6749 section 3.3): their order makes no other token. */
function tokenKey(
  route: Partial<RouteConfig> & Pick<RouteConfig, 'credential'>,
  credential: CredentialConfig,
): string {
  const { scopes, audience, resource } = requested(route, credential)
  return JSON.stringify([route.credential, scopes.toSorted(), audience, resource])
}

/** The form's fields beside `grant_type`; what is empty is left out, since servers differ on it. */
function tokenForm(request: Requested & Pick<CredentialConfig, 'parameters'>): URLSearchParams {
  const { scopes, audience, resource, parameters } = request
  const form = new URLSearchParams(parameters)
  if (scopes.length > 0) form.set('scope', scopes.join(' '))
  for (const value of audience) form.append('audience', value)
  for (const value of resource) form.append('resource', value)
  return form
}
