import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startListening, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const CLAIMS = { iss: 'https://login.example.com', aud: 'invoices', scope: 'orders.read' }

type Api = {
  status: number
  challenge: string
  /** The only accepted token. */
  accepted?: string
  /** Whether it responds to a handshake with 101. */
  switches?: boolean
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** An API that responds as `api` sets, and an authorization server that issues a different JWT each time. */
async function start({ route = '', credential = '', opaque = false } = {}) {
  const api: Api = { status: 401, challenge: 'Bearer error="invalid_token"' }
  const tokens: string[] = []
  const endpoint = await startTokenEndpoint((_request, res) => {
    const exp = Math.floor(Date.now() / 1000) + 300
    const claims = { ...CLAIMS, exp, jti: `jti-${endpoint.requests.length}` }
    const jwt = `${encoded({ alg: 'RS256' })}.${encoded(claims)}.c2lnbmF0dXJl`
    const token = opaque ? `opaque-${endpoint.requests.length}` : jwt
    tokens.push(token)
    sendToken(res, { access_token: token, scope: 'orders.read' })
  })
  const server = createServer((req, res) => {
    const isAccepted = req.headers.authorization === `Bearer ${api.accepted ?? ''}`
    res.writeHead(isAccepted ? 200 : api.status, { 'www-authenticate': api.challenge }).end()
  })
  const upstream = await startListening(server)
  server.on('upgrade', (_req, socket) => {
    socket.end(
      api.switches === true
        ? 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
        : 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n',
    )
  })
  const text = endpointConfig({ endpoint: endpoint.url, upstream, route, credential })
  const sidecar = await startSidecar(text)
  await until(async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200)
  const call = async (headers: Record<string, string> = {}, method = 'GET') =>
    (await fetch(`${sidecar.proxyUrl}/orders`, { headers, method })).status
  const read = async (path: string): Promise<Record<string, unknown>> =>
    JSON.parse(await (await fetch(sidecar.adminUrl + path)).text())
  return { api, tokens, sidecar, call, read }
}

test('an API that rejects every token shows in /status, as a warning in /readyz, and in /metrics', async () => {
  const { tokens, sidecar, call, read } = await start()
  expect(await call()).toBe(401)
  const ready = await fetch(`${sidecar.adminUrl}/readyz`)
  expect(ready.status).toBe(200)
  expect(await ready.json()).toEqual({
    ready: true,
    reasons: [],
    warnings: [
      'route "orders": the API rejects every token, a freshly issued one included: 1 rejected, the last with 401',
    ],
  })
  const status = await read('/status')
  expect(status).toMatchObject({
    ready: true,
    warnings: [expect.stringContaining('rejects every token')],
    routes: [
      {
        lastMinute: { requests: 1, unauthorized: 1, forbidden: 0 },
        rejection: {
          status: 401,
          challenge: 'invalid_token',
          everyRequestRejected: true,
          freshTokenRejected: true,
          count: 1,
          token: {
            format: 'JWT',
            issuer: CLAIMS.iss,
            audience: [CLAIMS.aud],
            scopes: ['orders.read'],
            expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
          },
          advice: expect.stringContaining('A new token does not help'),
        },
      },
    ],
  })
  const metrics = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
  expect(metrics).toContain('token_sidecar_upstream_rejecting{route="orders"} 1')
  expect(tokens).toHaveLength(2)
  for (const token of tokens) {
    expect(JSON.stringify(status) + metrics).not.toContain(token)
    // No part of the token is shown, its signature and payload included.
    for (const part of token.split('.')) expect(JSON.stringify(status)).not.toContain(part)
  }
})

test('the warning about rejected tokens ends with the first 2xx response to a method other than OPTIONS', async () => {
  const { api, call, read } = await start()
  await call()
  api.status = 502
  await call()
  api.status = 204
  await call({}, 'OPTIONS')
  expect(await read('/status')).toMatchObject({
    routes: [{ rejection: { everyRequestRejected: true } }],
  })
  api.status = 200
  await call()
  expect(await read('/status')).toMatchObject({
    routes: [{ rejection: { everyRequestRejected: false } }],
  })
})

test('without a replay no freshly issued token counts as rejected', async () => {
  const { call, read } = await start({ route: 'replay: { enabled: false }' })
  await call()
  expect(await read('/status')).toMatchObject({
    routes: [{ rejection: { freshTokenRejected: false, count: 1 } }],
  })
  expect(await read('/readyz')).toMatchObject({
    warnings: [expect.stringContaining('the API rejects every token:')],
  })
})

test('a token that is replaced successfully does not count as rejected', async () => {
  const { api, call, read, sidecar } = await start({ opaque: true })
  api.accepted = 'opaque-2'
  expect(await call()).toBe(200)
  const status = await read('/status')
  expect(status).toMatchObject({ warnings: [], routes: [{ lastMinute: { unauthorized: 0 } }] })
  expect(JSON.stringify(status)).not.toContain('everyRequestRejected')
  expect(await (await fetch(`${sidecar.adminUrl}/readyz`)).json()).toEqual({
    ready: true,
    reasons: [],
  })
})

test('responses with 403 are shown with their challenge and advice', async () => {
  const { api, call, read } = await start()
  api.status = 403
  api.challenge = 'Bearer error="insufficient_scope", scope="orders.write"'
  expect(await call()).toBe(403)
  expect(await read('/status')).toMatchObject({
    routes: [
      {
        lastMinute: { unauthorized: 0, forbidden: 1 },
        rejection: {
          status: 403,
          challenge: 'insufficient_scope',
          freshTokenRejected: false,
          advice: expect.stringContaining('compare "scopes"'),
        },
      },
    ],
  })
  expect(await read('/readyz')).toMatchObject({
    ready: true,
    warnings: [expect.stringContaining('the last with 403')],
  })
})

test('for an opaque token only the scopes and the expiry are shown', async () => {
  const { call, read } = await start({ opaque: true })
  await call()
  expect(await read('/status')).toMatchObject({
    routes: [
      {
        rejection: {
          token: {
            format: 'opaque',
            audience: [],
            scopes: ['orders.read'],
            expiresAt: expect.stringMatching(/Z$/),
          },
        },
      },
    ],
  })
})

test("a rejected token of the application's own is not reported as a token of the sidecar", async () => {
  const { call, read } = await start({ route: 'existingAuthorization: keep' })
  await call({ authorization: 'Bearer own' })
  const status = await read('/status')
  expect(status).toMatchObject({ routes: [{ rejection: { hasToken: false } }] })
  expect(JSON.stringify(status['routes'])).not.toContain('invoices')
  expect(await read('/readyz')).toMatchObject({
    warnings: [expect.stringContaining('rejects every request')],
  })
})

test('a route without a token that gets only 401 responses causes a warning', async () => {
  const upstream = await startServer((_req, res) => void res.writeHead(401).end())
  const sidecar = await startSidecar(forwardConfig(upstream))
  await fetch(`${sidecar.proxyUrl}/orders`)
  expect(await (await fetch(`${sidecar.adminUrl}/readyz`)).json()).toMatchObject({
    ready: true,
    warnings: [expect.stringContaining('route "all": the API rejects every request:')],
  })
})

test('/status shows the token endpoint, the client, the scopes and the claims of a token', async () => {
  const { read } = await start({ credential: 'audience: [https://orders.example.com]' })
  expect(await read('/status')).toMatchObject({
    tokens: [
      {
        tokenEndpoint: expect.stringMatching(/^http:.*\/token$/),
        clientId: expect.any(String),
        requested: { scopes: ['orders.read'], audience: ['https://orders.example.com'] },
        scopes: { granted: ['orders.read'], missing: [], unreported: false },
        claims: { issuer: CLAIMS.iss, audience: [CLAIMS.aud] },
      },
    ],
  })
})

test('a rejected WebSocket handshake counts, and one that is accepted is a success', async () => {
  const { api, call, read, sidecar } = await start()
  const handshake = (): Promise<string> =>
    exchangeRaw(
      sidecar.proxyUrl,
      'GET /orders HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n',
    )
  expect(await handshake()).toMatch(/^HTTP\/1.1 401 /)
  expect(await read('/status')).toMatchObject({
    routes: [{ rejection: { everyRequestRejected: true, freshTokenRejected: true } }],
  })
  api.switches = true
  expect(await handshake()).toMatch(/^HTTP\/1.1 101 /)
  expect(await read('/status')).toMatchObject({
    routes: [{ rejection: { everyRequestRejected: false } }],
  })
  expect(await call()).toBe(401)
})
