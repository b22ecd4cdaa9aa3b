import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from '../../demo/authorization-server.ts'

/** Starts an HTTP server on a free port until the end of the test, and returns its origin. */
export async function startServer(handler: RequestListener): Promise<string> {
  return await startListening(createServer(handler))
}

/** Starts the given server in the same way. */
export async function startListening(server: Server | HttpsServer): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  return `http://127.0.0.1:${portOf(server)}`
}

export function portOf(server: { address(): AddressInfo | string | null }): number {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return bound.port
}

export const CLIENT_ID = 'legacy-billing'
export const CLIENT_SECRET = 'issuer-secret-canary-4711'
export const RESOURCE = 'https://orders.example.com'

/** A real authorization server (oidc-provider) with one client. */
export async function startIssuer(
  options: Partial<AuthorizationServerOptions> = {},
): Promise<AuthorizationServer> {
  const issuer = await startAuthorizationServer({
    port: 0,
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    resource: RESOURCE,
    scopes: ['orders.read', 'orders.write'],
    tokenLifetimeSeconds: 300,
    ...options,
  })
  onTestFinished(async () => await issuer.close())
  return issuer
}
