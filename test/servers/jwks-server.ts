import { once } from 'node:events'
import { createServer } from 'node:http'
import { type Client, jwksOf } from './clients.ts'

/** Serves the public keys of the clients, for servers that fetch them (RFC 7591 `jwks_uri`). */
export type JwksServer = {
  readonly origin: string
  publish(client: Client): void
  close(): Promise<void>
}

export async function startJwksServer(): Promise<JwksServer> {
  const published = new Map<string, Client>()
  const server = createServer((request, response) => {
    const client = published.get((request.url ?? '/').slice(1))
    if (client === undefined) {
      response.writeHead(404).end()
      return
    }
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(jwksOf(client)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return {
    origin: `http://127.0.0.1:${bound.port}`,
    publish: (client) => void published.set(client.id, client),
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
