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

export type SecondServer = {
  readonly issuer: string
  /** The status of every answer of the token endpoint. */
  readonly answers: readonly number[]
}

/**
 * Another authorization server, of other people than oidc-provider, so that not only one reading of
 * the RFCs is met. It knows one client.
 */
export async function startSecondServer(client: Registration): Promise<SecondServer> {
  const handler = Promise.withResolvers<RequestListener>()
  const answers: number[] = []
  const server = createServer((req, res) => {
    if (req.url?.endsWith('/oauth2/token')) res.once('finish', () => answers.push(res.statusCode))
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
  // Its types do not say that it is one, under exactOptionalPropertyTypes.
  if (!isPlugin(provider)) throw new TypeError('expected a plugin')
  const auth = betterAuth({
    baseURL: origin,
    secret: 'unused: nobody logs in here, but it has to be long',
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
  return { issuer: `${origin}/api/auth`, answers }
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
