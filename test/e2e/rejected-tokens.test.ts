import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** An API that accepts only one token, and an authorization server that issues token-1, token-2 and so on. */
async function startRevocable(options: { route?: string; challenge?: string } = {}) {
  const { route = '', challenge = 'Bearer error="invalid_token"' } = options
  const state = {
    accepted: 'token-1',
    received: [] as { token: string | undefined; body: string }[],
  }
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: `token-${endpoint.requests.length}` }),
  )
  const upstream = await startServer((req, res) => {
    void text(req).then((body) => {
      const token = req.headers.authorization?.replace('Bearer ', '')
      state.received.push({ token, body })
      if (token === state.accepted) res.end(`accepted ${body}`)
      else res.writeHead(401, { 'www-authenticate': challenge, 'x-from': 'api' }).end('refused')
    })
  })
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream, route }))
  await until(async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200)
  return { state, endpoint, sidecar, url: `${sidecar.proxyUrl}/orders` }
}

test('a revoked token is replaced and the request replayed, transparently for the application', async () => {
  const { state, endpoint, sidecar, url } = await startRevocable()
  state.accepted = 'token-2'
  const response = await fetch(url)
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('accepted ')
  expect(endpoint.requests).toHaveLength(2)
  expect(state.received.map(({ token }) => token)).toEqual(['token-1', 'token-2'])
  const metrics = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
  expect(metrics).toContain('token_sidecar_replays_total{route="orders"} 1')
  expect(metrics).toContain('token_sidecar_tokens_refused_total{credential="corp"} 1')
  expect(metrics).toContain(
    'token_sidecar_tokens_obtained_total{credential="corp",reason="replaced"} 1',
  )
})

test.for([
  { what: 'of known length', send: 'a'.repeat(1000) },
  { what: 'of the largest replayable size', send: 'a'.repeat(64 * 1024) },
])('a body $what is replayed', async ({ send }) => {
  const { state, url } = await startRevocable()
  state.accepted = 'token-2'
  const response = await fetch(url, { method: 'POST', body: send })
  expect(response.status).toBe(200)
  expect(state.received.map(({ body }) => body.length)).toEqual([send.length, send.length])
  expect(await response.text()).toBe(`accepted ${send}`)
})

test('a chunked body is replayed', async () => {
  const { state, url } = await startRevocable()
  state.accepted = 'token-2'
  const sent = request(url, { method: 'POST' })
  const responded = once(sent, 'response')
  sent.write('one')
  sent.end('two')
  const [response] = await responded
  expect(await text(response)).toBe('accepted onetwo')
})

test('a request with a body too large for a replay gets the 401, and the next request the new token', async () => {
  const { state, endpoint, url } = await startRevocable()
  state.accepted = 'token-2'
  const response = await fetch(url, { method: 'POST', body: 'a'.repeat(64 * 1024 + 1) })
  expect(response.status).toBe(401)
  expect(response.headers.get('x-from')).toBe('api')
  expect(await response.text()).toBe('refused')
  expect((await fetch(url)).status).toBe(200)
  expect(endpoint.requests).toHaveLength(2)
})

test('the second 401 is forwarded unchanged, without a third attempt', async () => {
  const { state, endpoint, url } = await startRevocable()
  state.accepted = 'none'
  const response = await fetch(url)
  expect(response.status).toBe(401)
  expect(response.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
  expect(await response.text()).toBe('refused')
  expect(state.received).toHaveLength(2)
  expect(endpoint.requests).toHaveLength(2)
})

test('an API that rejects every token does not cause a storm of token requests', async () => {
  const { state, endpoint, url } = await startRevocable()
  state.accepted = 'none'
  for (let round = 0; round < 20; round += 1) expect((await fetch(url)).status).toBe(401)
  expect(endpoint.requests).toHaveLength(2)
})

test('100 concurrent 401 responses for one token cause one token request', async () => {
  const { state, endpoint, url } = await startRevocable()
  state.accepted = 'token-2'
  const calls = Array.from({ length: 100 }, async () => (await fetch(url)).status)
  expect(new Set(await Promise.all(calls))).toEqual(new Set([200]))
  expect(endpoint.requests).toHaveLength(2)
})

test.for([
  'Bearer error="insufficient_scope", scope="orders.write"',
  'Bearer realm="x", error=insufficient_scope',
])('insufficient_scope does not replace the token: %s', async (challenge) => {
  const { state, endpoint, url } = await startRevocable({ challenge })
  state.accepted = 'none'
  expect((await fetch(url)).status).toBe(401)
  expect(endpoint.requests).toHaveLength(1)
  expect(state.received).toHaveLength(1)
})

test('a route can disable the replay after a 401', async () => {
  const { state, endpoint, url } = await startRevocable({ route: 'replay: { enabled: false }' })
  state.accepted = 'none'
  expect((await fetch(url)).status).toBe(401)
  expect(endpoint.requests).toHaveLength(1)
})

test("a 401 for the application's own token is forwarded without a replay", async () => {
  const { state, endpoint, url } = await startRevocable({ route: 'existingAuthorization: keep' })
  state.accepted = 'none'
  const response = await fetch(url, { headers: { authorization: 'Bearer own' } })
  expect(response.status).toBe(401)
  expect(state.received.map(({ token }) => token)).toEqual(['own'])
  expect(endpoint.requests).toHaveLength(1)
})

test('the 401 is forwarded if no new token can be obtained', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => {
    if (endpoint.requests.length === 1) sendToken(res)
    else res.writeHead(503).end()
  })
  const upstream = await startServer((_req, res) => void res.writeHead(401).end('refused'))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  await until(async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200)
  const response = await fetch(`${sidecar.proxyUrl}/orders`, { method: 'POST', body: 'x' })
  expect(response.status).toBe(401)
  expect(await response.text()).toBe('refused')
})

test('a 401 during the upload of a small body is replayed after its end', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: `token-${endpoint.requests.length}` }),
  )
  const refused = Promise.withResolvers<void>()
  const upstream = await startServer((req, res) => {
    if (req.headers.authorization === 'Bearer token-1') {
      res.writeHead(401).end()
      refused.resolve()
      return
    }
    void text(req).then((body) => res.end(body))
  })
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  await until(async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200)
  const sent = request(`${sidecar.proxyUrl}/orders`, { method: 'POST' })
  const responded = once(sent, 'response')
  sent.write('one')
  await refused.promise
  sent.end('two')
  const [response] = await responded
  expect(response.statusCode).toBe(200)
  expect(await text(response)).toBe('onetwo')
})
