import { createServer, type RequestListener } from 'node:http'
import { oauthProvider } from '@better-auth/oauth-provider'
import { type BetterAuthPlugin, betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { toNodeHandler } from 'better-auth/node'
import { jwt } from 'better-auth/plugins'
import type { JWK } from 'jose'
import { portOf, startListening } from './servers.ts'

type Registration = {
  readonly clientId: string
  readonly clientSecret?: string
  readonly tokenEndpointAuthMethod: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  readonly keys?: readonly JWK[]
  readonly dpopBoundAccessTokens?: boolean
}

export type BetterAuthServer = {
  readonly issuer: string
  /** The status of every response of the token endpoint. */
  readonly statuses: readonly number[]
}

/**
 * An authorization server (Better Auth) with one client, so that the tests do not depend on how
 * oidc-provider interprets the RFCs.
 */
export async function startBetterAuth(client: Registration): Promise<BetterAuthServer> {
  const handler = Promise.withResolvers<RequestListener>()
  const statuses: number[] = []
  const server = createServer((req, res) => {
    if (req.url?.endsWith('/oauth2/token')) res.once('finish', () => statuses.push(res.statusCode))
    void handler.promise.then((handle) => handle(req, res))
  })
  await startListening(server)
  const origin = `http://127.0.0.1:${portOf(server)}`
  const provider: unknown = oauthProvider({
    loginPage: '/login',
    consentPage: '/consent',
    scopes: ['orders.read'],
    storeClientSecret: { hash: async (secret) => await Promise.resolve(secret) },
    silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
  })
  // Under exactOptionalPropertyTypes its type is not assignable to BetterAuthPlugin.
  if (!isPlugin(provider)) throw new TypeError('expected a plugin')
  const auth = betterAuth({
    baseURL: origin,
    secret: 'unused: there is no login, but it has to be long',
    database: memoryAdapter(emptyTables()),
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    plugins: [jwt(), provider],
  })
  const { keys, ...registration } = client
  const { adapter } = await auth.$context
  await adapter.create({
    model: 'oauthClient',
    data: {
      ...registration,
      ...(keys !== undefined && { jwks: JSON.stringify({ keys }) }),
      grantTypes: ['client_credentials'],
      clientCredentialsScopes: ['orders.read'],
      redirectUris: [],
    },
  })
  const handle = toNodeHandler(auth)
  handler.resolve((req, res) => void handle(req, res))
  return { issuer: `${origin}/api/auth`, statuses }
}

function isPlugin(value: unknown): value is BetterAuthPlugin {
  return typeof value === 'object' && value !== null && 'id' in value && 'endpoints' in value
}

function emptyTables(): Record<string, unknown[]> {
  return Object.fromEntries(
    [
      'user',
      'session',
      'account',
      'verification',
      'jwks',
      'oauthClient',
      'oauthAccessToken',
      'oauthRefreshToken',
      'oauthConsent',
      'oauthClientAssertion',
      'oauthResource',
      'oauthClientResource',
    ].map((name) => [name, []]),
  )
}
