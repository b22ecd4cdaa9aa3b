import { once } from 'node:events'
import { createServer } from 'node:http'
import { startAuthorizationServer } from '../../demo/authorization-server.ts'
import { CLIENT } from './authorization-server.ts'

const server = await startAuthorizationServer({
  port: 0,
  clients: [
    {
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  resource: 'https://orders.example.com',
  scopes: [CLIENT.scope],
  tokenLifetimeSeconds: Number(process.argv[2]),
})

const counter = createServer((_req, res) => void res.end(String(server.tokenRequests())))
counter.listen(0, '127.0.0.1')
await once(counter, 'listening')
const bound = counter.address()
if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
process.stdout.write(
  `${JSON.stringify({ tokenEndpoint: server.tokenEndpoint, counter: `http://127.0.0.1:${bound.port}` })}\n`,
)
