import { once } from 'node:events'
import { createServer } from 'node:http'
import { type Client, jwksOf } from './clients.ts'

/** Serves the public keys of the clients, for servers that fetch them (RFC 7591 `jwks_uri`). */
export type JwksServer = {
  readonly origin: string
  /** The issuer of workload tokens, with discovery, like that of a Kubernetes cluster. */
  readonly clusterIssuer: string
  publish(client: Client): void
  close(): Promise<void>
}

const CLUSTER = '/cluster'

export async function startJwksServer(): Promise<JwksServer> {
  const published = new Map<string, Client>()
  let origin = ''
  const server = createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json')
    if (request.url === `${CLUSTER}/.well-known/openid-configuration`) {
      const issuer = `${origin}${CLUSTER}`
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }))
      return
    }
    if (request.url === `${CLUSTER}/keys`) {
      const workloads = [...published.values()].filter(({ isWorkload }) => isWorkload)
      response.end(JSON.stringify({ keys: workloads.map(({ publicJwk }) => publicJwk) }))
      return
    }
    const client = published.get((request.url ?? '/').slice(1))
    if (client === undefined) {
      response.writeHead(404).end()
      return
    }
    response.end(JSON.stringify(jwksOf(client)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  origin = `http://127.0.0.1:${bound.port}`
  return {
    origin,
    clusterIssuer: `${origin}${CLUSTER}`,
    publish: (client) => void published.set(client.id, client),
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
