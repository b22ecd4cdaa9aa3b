import type { CredentialConfig } from '../config/credential-schema.ts'
import type { RouteConfig } from '../config/route-schema.ts'
import { createSecretReader, type ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { Holdings } from '../lib/shared.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Tracer } from '../observe/tracer.ts'
import { createDpopKey, type DpopKey } from '../tokens/dpop.ts'
import { createKeptToken } from '../tokens/kept-token.ts'
import { createObservedRequest } from '../tokens/observed-request.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import {
  type AuthorizationServer,
  composeAuthorizationServer,
  composeTokenRequest,
  type Requested,
} from './token-request.ts'

/** A token that one or more routes need. */
type NeededToken = {
  /** The credential's name, or `credential/route` for a route that asks for a token of its own. */
  readonly token: string
  readonly credential: string
  /** Whether it is fetched at start-up. */
  readonly prefetch: boolean
  /** Whether readiness waits for it. */
  readonly required: boolean
  readonly issuer: string | undefined
  /** Without its query. */
  readonly tokenEndpoint: string | undefined
  readonly clientId: string | undefined
  readonly requested: Requested
  readonly source: TokenSource
}

export type TokenSources = {
  readonly needed: readonly NeededToken[]
  /** The source of a route's token; undefined for a route that only forwards. */
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
  /** Those of an earlier configuration live on where their definition is the same. */
  readonly servers: Holdings<AuthorizationServer>
  readonly sources: Holdings<TokenSource>
}

/** One source for each distinct token: routes that ask for the same one share it. */
export async function composeTokenSources(options: TokenSourcesOptions): Promise<TokenSources> {
  const { routes, places } = options
  const needed = new Map<string, NeededToken>()
  for (const route of routes) {
    const credential = options.credentials[route.credential]
    if (credential === undefined) continue
    const definition = fingerprint(route.credential, JSON.stringify(credential))
    const server = await options.servers.use(definition, async () =>
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
    const isOwn = key !== tokenKey({ credential: route.credential }, credential)
    const token = isOwn ? `${route.credential}/${route.name}` : route.credential
    const requested = requestedBy(route, credential)
    const parts = { ...options, credential, server, requested }
    const source = await options.sources.use(
      `${definition} ${key}`,
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

/** The key that a credential's tokens are bound to, if they are. */
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

/** Obtain, count, remember: each wraps the one before. */
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
  return createKeptToken(observed, {
    refresh: { leewayMs: credential.refresh.leeway, jitterMs: credential.refresh.jitter },
    clock,
    random: Math.random,
    log: logger.child({ credential: credentialName, tokenName: token }),
    metrics: counts,
    readFingerprint: server.readFingerprint,
  })
}

/** What the token is asked to be good for: the route's word, else the credential's. */
function requestedBy(route: Partial<RouteConfig>, credential: CredentialConfig): Requested {
  return {
    scopes: route.scopes ?? credential.scopes,
    audience: route.audience ?? credential.audience,
    resource: route.resource ?? credential.resource,
  }
}

/**
 * Scopes are a set (RFC 6749 section 3.3): their order makes no other token. All else that shapes a
 * token, the client's proof and its DPoP key included, comes with the credential.
 */
function tokenKey(
  route: Partial<RouteConfig> & Pick<RouteConfig, 'credential'>,
  credential: CredentialConfig,
): string {
  const { scopes, audience, resource } = requestedBy(route, credential)
  return JSON.stringify([route.credential, scopes.toSorted(), audience, resource])
}
