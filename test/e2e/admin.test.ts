import { expect, test } from 'vitest'
import { endpointConfig, ordersConfig } from '../helpers/config-text.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { CLIENT_SECRET, startIssuer, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

async function statusOf(adminUrl: string): Promise<{ tokens: Record<string, unknown>[] }> {
  const response = await fetch(`${adminUrl}/status`)
  expect(response.headers.get('content-type')).toBe('application/json')
  const status: { tokens: Record<string, unknown>[] } = JSON.parse(await response.text())
  return status
}

test('/status shows routes and the state of each token, and no token', async () => {
  const issuer = await startIssuer()
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const sidecar = await startSidecar(ordersConfig({ issuer: issuer.issuer, upstream }))
  const token = await (await fetch(`${sidecar.proxyUrl}/orders`)).text()

  const status = await statusOf(sidecar.adminUrl)
  expect(status).toMatchObject({
    ready: true,
    reasons: [],
    routes: [{ route: 'orders', match: { path: '/orders' }, upstream, credential: 'corp' }],
    tokens: [{ token: 'corp', credential: 'corp', usable: true, requesting: false, waiting: 0 }],
  })
  const [shown = {}] = status.tokens
  expect(shown['ageSeconds']).toBeLessThan(60)
  expect(shown['expiresInSeconds']).toBeGreaterThan(290 - 60)
  expect(Date.parse(String(shown['expiresAt']))).toBeGreaterThan(Date.now())
  expect(JSON.stringify(status)).not.toContain(token.slice('Bearer '.length))
  expect(JSON.stringify(status)).not.toContain(CLIENT_SECRET)
})

test('/status shows the last error, the next attempt and advice', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => {
    res.writeHead(400, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ error: 'invalid_scope' }))
  })
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' }),
  )
  await until(async () => (await statusOf(sidecar.adminUrl)).tokens[0]?.['failure'] !== undefined)
  const [shown = {}] = (await statusOf(sidecar.adminUrl)).tokens
  expect(shown).toMatchObject({
    usable: false,
    failure: {
      code: 'token_rejected',
      oauthError: 'invalid_scope',
      reason: expect.stringContaining('invalid_scope'),
      advice: expect.stringContaining('compare "scopes" with the registration'),
      nextAttemptAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    },
  })
})

test('POST renew fetches a new token at once, and the metrics show its expiry', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, {
      access_token: `token-${endpoint.requests.length}`,
      expires_in: endpoint.requests.length * 1000,
    }),
  )
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  const call = async (): Promise<string> => await (await fetch(`${sidecar.proxyUrl}/orders`)).text()
  const expiry = async (): Promise<number> => {
    const metrics = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
    const line = /^token_sidecar_token_expiry_timestamp_seconds\{[^}]*\} (.*)$/m.exec(metrics)
    return Number(line?.[1]) - Date.now() / 1000
  }
  expect(await call()).toBe('Bearer token-1')
  expect(await expiry()).toBeCloseTo(1000, -2)

  const renewed = await fetch(`${sidecar.adminUrl}/credentials/corp/renew`, { method: 'POST' })
  expect(renewed.status).toBe(200)
  expect(await renewed.json()).toMatchObject({ tokens: [{ token: 'corp', usable: true }] })
  expect(await call()).toBe('Bearer token-2')
  expect(await expiry()).toBeCloseTo(2000, -2)
})

test('a failed renewal reports the cause, and the cached token stays in use', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => {
    if (endpoint.requests.length === 1) sendToken(res)
    else res.writeHead(503).end()
  })
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  expect((await fetch(`${sidecar.proxyUrl}/orders`)).status).toBe(200)
  const renewed = await fetch(`${sidecar.adminUrl}/credentials/corp/renew`, { method: 'POST' })
  expect(renewed.status).toBe(503)
  expect(await renewed.json()).toMatchObject({ code: 'token_unavailable' })
  expect((await fetch(`${sidecar.proxyUrl}/orders`)).status).toBe(200)
})

test('POST renew shortly after another gets 429 with Retry-After, and causes no token request', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  const renew = async () =>
    await fetch(`${sidecar.adminUrl}/credentials/corp/renew`, { method: 'POST' })
  expect((await renew()).status).toBe(200)
  const before = endpoint.requests.length
  const responses = await Promise.all(Array.from({ length: 20 }, renew))
  for (const response of responses) {
    expect(response.status).toBe(429)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await response.json()).toEqual({
      error: expect.stringMatching(/^the credential was renewed moments ago; try again in \d+ s$/),
    })
  }
  expect(endpoint.requests).toHaveLength(before)
})

test('POST renew during a back-off gets 503 with Retry-After, and causes no token request', async () => {
  const endpoint = await startTokenEndpoint(
    (_request, res) => void res.writeHead(429, { 'Retry-After': '120' }).end(),
  )
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  expect((await fetch(`${sidecar.proxyUrl}/orders`)).status).toBe(503)
  const before = endpoint.requests.length
  const response = await fetch(`${sidecar.adminUrl}/credentials/corp/renew`, { method: 'POST' })
  expect(response.status).toBe(503)
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(60)
  expect(await response.json()).toMatchObject({
    code: 'token_unavailable',
    error: expect.stringContaining('the last token request failed, and the next one has to wait'),
  })
  expect(endpoint.requests).toHaveLength(before)
})

test.for([
  { path: '/credentials/none/renew', method: 'POST', status: 404 },
  { path: '/credentials/corp/renew', method: 'GET', status: 405 },
  { path: '/metrics', method: 'POST', status: 405 },
  { path: '/', method: 'GET', status: 200 },
  { path: '/', method: 'HEAD', status: 200 },
  { path: '/', method: 'POST', status: 405 },
  { path: '/status/history', method: 'GET', status: 200 },
  { path: '/status/history?after=3', method: 'GET', status: 200 },
  { path: '/status/history?after=-1', method: 'GET', status: 400 },
  { path: '/none', method: 'GET', status: 404 },
  { path: '/constructor', method: 'GET', status: 404 },
  { path: '/livez?x=1', method: 'GET', status: 200 },
  { path: '/livez', method: 'HEAD', status: 200 },
])('$method $path responds with $status', async ({ path, method, status }) => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' }),
  )
  const response = await fetch(sidecar.adminUrl + path, { method })
  expect(response.status).toBe(status)
  expect(response.headers.has('allow')).toBe(status === 405)
})

test('a web page of another origin cannot renew tokens', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' }),
  )
  await until(() => endpoint.requests.length === 1)
  const response = await fetch(`${sidecar.adminUrl}/credentials/corp/renew`, {
    method: 'POST',
    headers: { origin: 'https://evil.example' },
  })
  expect(response.status).toBe(403)
  expect(endpoint.requests).toHaveLength(1)
})

test('a route with readiness disabled does not affect /readyz', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => void res.writeHead(503).end())
  const sidecar = await startSidecar(
    endpointConfig({
      endpoint: endpoint.url,
      upstream: 'http://127.0.0.1:1',
      route: 'readiness: false',
    }),
  )
  await until(() => endpoint.requests.length > 0)
  expect((await fetch(`${sidecar.adminUrl}/readyz`)).status).toBe(200)
})

test('the Content-Security-Policy of the status page allows only its own script and style', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' }),
  )
  const { headers } = await fetch(`${sidecar.adminUrl}/`)
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(headers.get('referrer-policy')).toBe('no-referrer')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  const policy = headers.get('content-security-policy')?.split('; ')
  expect(policy).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      expect.stringMatching(/^script-src 'sha256-[\w+/=]{44}'$/),
      expect.stringMatching(/^style-src 'sha256-[\w+/=]{44}'$/),
    ]),
  )
})

test('the admin listener rejects requests of a page after DNS rebinding', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' }),
  )
  for (const path of ['/', '/status', '/status/history', '/metrics']) {
    const response = await exchangeRaw(
      sidecar.adminUrl,
      `GET ${path} HTTP/1.1\r\nHost: evil.example:9090\r\nConnection: close\r\n\r\n`,
    )
    expect(response).toMatch(/^HTTP\/1.1 403 /)
    expect(response).not.toContain('orders')
  }
})

test('/status shows the last minute of each route, and its last failures with advice', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' }),
  )
  await (await fetch(`${sidecar.proxyUrl}/orders?q=hidden`)).text()
  await (await fetch(`${sidecar.proxyUrl}/orders?q=hidden`)).text()
  await (await fetch(`${sidecar.proxyUrl}/nowhere`)).text()
  const status = await statusOf(sidecar.adminUrl)
  expect(status).toMatchObject({
    routes: [{ route: 'orders', token: 'corp', lastMinute: { errorShare: 1 } }],
    failures: [
      { code: 'route_not_found', count: 1, advice: expect.stringContaining('explain') },
      {
        route: 'orders',
        code: 'upstream_unreachable',
        reason: expect.stringContaining('connection refused'),
        count: 2,
      },
    ],
  })
  expect(JSON.stringify(status)).not.toContain('hidden')
})
