import type { CredentialConfig } from '../config/credential-schema.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import { createSecretReader, type ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { References } from '../lib/reference-counted-pool.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Tracer } from '../observe/tracer.ts'
import { createDpopKey, type DpopKey } from '../tokens/dpop.ts'
import { createCachedTokenSource } from '../tokens/cached-token-source.ts'
import { createObservedRequest } from '../tokens/observed-request.ts'
import { createSharedTokenRequest } from '../tokens/shared-token-request.ts'
import type { TokenRequest, TokenSource } from '../tokens/token-source.ts'
import {
  type AuthorizationServer,
  composeAuthorizationServer,
  composeTokenRequest,
  type Requested,
} from './token-request.ts'
import type { SharedStore } from './token-store.ts'

/** A token that one or more routes use. */
type NeededToken = {
  /** The credential's name, or `credential/route` if a route overrides scopes, audience or resource. */
  readonly token: string
  readonly credential: string
  /** Whether it is requested at start. */
  readonly prefetch: boolean
  /** Whether readiness depends on it. */
  readonly required: boolean
  readonly issuer: string | undefined
  /** Without the query. */
  readonly tokenEndpoint: string | undefined
  readonly clientId: string | undefined
  readonly requested: Requested
  readonly source: TokenSource
}

export type TokenSources = {
  readonly needed: readonly NeededToken[]
  /** The token source of a route; undefined for a pass-through route. */
  of(route: RouteConfig): TokenSource | undefined
}

export type TokenSourcesOptions = {
  readonly credentials: Readonly<Record<string, CredentialConfig>>
  readonly routes: readonly RouteConfig[]
  readonly places: ConfigEnvironment
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
  readonly tracer?: Tracer | undefined
  /** Where a fleet shares tokens. */
  readonly shared?: SharedStore | undefined
  /** Shared with the previous configuration: unchanged definitions keep their state. */
  readonly servers: References<AuthorizationServer>
  readonly sources: References<TokenSource>
}

/** One source for each distinct token, which routes with the same requirements share. */
export async function composeTokenSources(options: TokenSourcesOptions): Promise<TokenSources> {
  const { routes, places } = options
  const needed = new Map<string, NeededToken>()
  for (const route of routes) {
    const credential = options.credentials[route.credential]
    if (credential === undefined) continue
    const definition = fingerprint(route.credential, JSON.stringify(credential))
    const server = await options.servers.acquire(definition, async () =>
      composeAuthorizationServer(
        credential,
        places,
        await composeDpopKey(credential, places),
        options.clock,
      ),
    )
    const key = tokenKey(route, credential)
    const shared = needed.get(key)
    if (shared !== undefined) {
      needed.set(key, {
        ...shared,
        required: shared.required || (shared.prefetch && route.readiness),
      })
      continue
    }
    const isOverridden = key !== tokenKey({ credential: route.credential }, credential)
    const token = isOverridden ? `${route.credential}/${route.name}` : route.credential
    const requested = requestedBy(route, credential)
    const parts = { ...options, credential, server, requested }
    const source = await options.sources.acquire(
      `${definition} ${key} ${options.shared?.definition ?? ''}`,
      async () => await Promise.resolve(createSource(token, route.credential, parts)),
    )
    needed.set(key, {
      token,
      credential: route.credential,
      prefetch: credential.prefetch,
      required: credential.prefetch && route.readiness,
      issuer: credential.issuer,
      tokenEndpoint:
        credential.issuer === undefined ? server.url.origin + server.url.pathname : undefined,
      clientId: credential.clientId,
      requested,
      source,
    })
  }

  return {
    needed: [...needed.values()],
    of(route) {
      const credential = options.credentials[route.credential]
      return credential && needed.get(tokenKey(route, credential))?.source
    },
  }
}

/** The key that DPoP tokens of a credential are bound to. */
export async function composeDpopKey(
  { dpop }: CredentialConfig,
  places: ConfigEnvironment,
): Promise<DpopKey | undefined> {
  return (
    dpop && (await createDpopKey(dpop.algorithm, dpop.key && createSecretReader(dpop.key, places)))
  )
}

type SourceParts = TokenSourcesOptions & {
  readonly credential: CredentialConfig
  readonly server: AuthorizationServer
  readonly requested: Requested
}

/** The token request, its metrics and traces, the store of the fleet and the cache: each wraps the one before. */
function createSource(token: string, credentialName: string, parts: SourceParts): TokenSource {
  const { credential, server, requested, clock, metrics, logger, tracer } = parts
  const direct = composeTokenRequest(credential, requested, server, parts)
  const counts = metrics.tokenRequests(credentialName)
  const observed = createObservedRequest(direct, {
    credential: credentialName,
    server: server.url,
    metrics: counts,
    tracer,
    clock,
  })
  const wrapped = withSharedStore(observed, parts)
  return createCachedTokenSource(wrapped, {
    refresh: { leewayMs: credential.refresh.leeway, jitterMs: credential.refresh.jitter },
    clock,
    random: Math.random,
    log: logger.child({ credential: credentialName, tokenName: token }),
    metrics: counts,
    readFingerprint: server.readFingerprint,
  })
}

function withSharedStore(
  request: TokenRequest,
  { shared, credential, server, requested, clock }: SourceParts,
): TokenRequest {
  if (shared === undefined || !credential.share) return request
  const { scopes, audience, resource } = requested
  // What the authorization server decides by, but not how and when this sidecar asks.
  const { issuer, tokenEndpoint, provider, clientId, grant, auth, parameters, headers } = credential
  const definition = JSON.stringify([
    [issuer, tokenEndpoint, provider, server.url.href],
    [clientId, auth.method, withoutReferences(grant), parameters, headers],
    [scopes.toSorted(), audience, resource, server.dpop?.thumbprint],
  ])
  return createSharedTokenRequest(request, {
    store: shared.store,
    keys: shared.keys,
    describe: async () => `${definition} ${await server.readIdentity()}`,
    dpop: server.dpop,
    timeoutMs: credential.timeout,
    metrics: shared.metrics,
    clock,
    random: Math.random,
  })
}

/** Replicas may have the same key or subject token in different places. */
function withoutReferences(grant: CredentialConfig['grant']): object {
  return Object.fromEntries(Object.entries(grant).filter(([, value]) => !isReference(value)))
}

function isReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('file' in value || 'env' in value)
}

/** The settings of the route, else those of the credential. */
export function requestedBy(route: Partial<RouteConfig>, credential: CredentialConfig): Requested {
  return {
    scopes: route.scopes ?? credential.scopes,
    audience: route.audience ?? credential.audience,
    resource: route.resource ?? credential.resource,
  }
}

/**
 * Scopes are a set (RFC 6749 section 3.3), so their order is ignored. Everything else that a token depends on
 * belongs to the credential.
 */
function tokenKey(
  route: Partial<RouteConfig> & Pick<RouteConfig, 'credential'>,
  credential: CredentialConfig,
): string {
  const { scopes, audience, resource } = requestedBy(route, credential)
  return JSON.stringify([route.credential, scopes.toSorted(), audience, resource])
}
