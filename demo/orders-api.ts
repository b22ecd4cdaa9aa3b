import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JWTPayload } from 'jose'
import { createTokenVerifier, hasScope, type Refusal } from './token-verifier.ts'

export type OrdersApiOptions = {
  readonly port: number
  /** Whose tokens are accepted, the keys to verify them with, and the audience they must have. */
  readonly issuer: string
  readonly jwksUri: string
  readonly audience: string
}

export type OrdersApi = {
  readonly url: string
  /** Counts since the start. */
  tally(): Tally
  close(): Promise<void>
}

type Tally = {
  readonly requests: number
  readonly refused: number
  /** How many requests had an expired token. */
  readonly expired: number
  /** How many different tokens were accepted. */
  readonly tokens: number
}

type Answer = { readonly status: number; readonly body: unknown }
type Endpoint = { readonly scope: string; readonly answer: (claims: JWTPayload) => Answer }

const ORDERS = { 7: 'two garden gnomes', 8: 'a watering can' }

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /orders': {
    scope: 'orders.read',
    answer: () => ({ status: 200, body: ORDERS }),
  },
  'POST /orders': {
    scope: 'orders.write',
    answer: () => ({ status: 202, body: { accepted: true } }),
  },
  'GET /reports/daily': {
    scope: 'reports.read',
    answer: () => ({ status: 200, body: { orders: Object.keys(ORDERS).length } }),
  },
  'GET /whoami': {
    scope: 'orders.read',
    answer: (claims) => ({ status: 200, body: claims }),
  },
}

/** Verifies the token first: without a valid one, even an unknown path gets 401. */
export async function startOrdersApi(options: OrdersApiOptions): Promise<OrdersApi> {
  const verifier = createTokenVerifier({ ...options, realm: 'orders' })
  const tokens = new Set<string>()
  let requests = 0
  let refused = 0
  let expired = 0

  const respond = async (request: IncomingMessage): Promise<Answer | Refusal> => {
    const result = await verifier.verify(request)
    if (result.kind === 'refused') return result
    const { claims } = result
    tokens.add(String(claims.jti))
    const [path] = (request.url ?? '').split('?')
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const endpoint = ENDPOINTS[`${method} ${path}`]
    if (endpoint === undefined) return { status: 404, body: { error: 'no such endpoint' } }
    return hasScope(claims, endpoint.scope)
      ? endpoint.answer(claims)
      : verifier.insufficient(endpoint.scope)
  }

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    req.resume()
    requests += 1
    const answer = await respond(req)
    if ('body' in answer) {
      res.writeHead(answer.status, { 'Content-Type': 'application/json' })
      res.end(`${JSON.stringify(answer.body, undefined, 2)}\n`)
      return
    }
    refused += 1
    if (answer.expired) expired += 1
    res.writeHead(answer.status, {
      'Content-Length': 0,
      ...(answer.challenge !== undefined && { 'WWW-Authenticate': answer.challenge }),
    })
    res.end()
  }

  const server = createServer((req, res) => void serve(req, res))
  server.listen(options.port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${address(server.address()).port}`,
    tally: () => ({ requests, refused, expired, tokens: tokens.size }),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function address(bound: AddressInfo | string | null): AddressInfo {
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return bound
}
