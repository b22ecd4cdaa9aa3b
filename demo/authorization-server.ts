import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import type { ClientMetadata, Configuration } from 'oidc-provider'
import { createOidcStorage } from './oidc-storage.ts'
import { errors, Provider } from './quiet-oidc-provider.ts'

export type AuthorizationServerOptions = {
  readonly port: number
  readonly clients: readonly ClientMetadata[]
  /** The resource (RFC 8707) that tokens are for, and what may be done there. */
  readonly resource: string
  readonly scopes: readonly string[]
  readonly tokenLifetimeSeconds: number
}

export type AuthorizationServer = {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** The public keys that its tokens can be verified with. */
  readonly jwksUri: string
  /** How many token requests it has answered, well or badly. */
  tokenRequests(): number
  close(): Promise<void>
}

/** A real authorization server: oidc-provider with the client credentials grant and JWT access tokens. */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const server = createServer()
  server.listen(options.port, '127.0.0.1')
  await once(server, 'listening')
  const { port } = address(server.address())
  const issuer = `http://127.0.0.1:${port}`

  const provider = new Provider(issuer, await configuration(options))
  const handle = provider.callback()
  let tokenRequests = 0
  server.on('request', (req, res) => {
    if (req.url === '/token') tokenRequests += 1
    void handle(req, res)
  })
  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    jwksUri: `${issuer}/jwks`,
    tokenRequests: () => tokenRequests,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function configuration(options: AuthorizationServerOptions): Promise<Configuration> {
  const { clients, resource, scopes, tokenLifetimeSeconds } = options
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const key = await exportJWK(privateKey)
  return {
    adapter: createOidcStorage,
    clients: [...clients],
    scopes: [...scopes],
    jwks: { keys: [{ ...key, alg: 'RS256', use: 'sig', kid: 'demo' }] },
    ttl: { ClientCredentials: tokenLifetimeSeconds },
    cookies: { keys: ['unused: there is no login'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo: (_context, indicator) => {
          if (indicator !== resource) throw new errors.InvalidTarget()
          return {
            audience: resource,
            scope: scopes.join(' '),
            accessTokenTTL: tokenLifetimeSeconds,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }
        },
      },
    },
  }
}

function address(bound: AddressInfo | string | null): AddressInfo {
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return bound
}
