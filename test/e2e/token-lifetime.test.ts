import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { endpointConfig, ordersConfig } from '../helpers/config-text.ts'
import { CLIENT_ID, RESOURCE, startIssuer, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

test('200 concurrent first requests cost one token request', async () => {
  const issuer = await startIssuer()
  const tokens = new Set<string | undefined>()
  const upstream = await startServer((req, res) => {
    tokens.add(req.headers.authorization)
    res.end('ok')
  })
  const sidecar = await startSidecar(
    ordersConfig({ issuer: issuer.issuer, upstream, credential: 'prefetch: false' }),
  )
  expect(issuer.tokenRequests()).toBe(0)

  const calls = Array.from({ length: 200 }, async () => await fetch(`${sidecar.proxyUrl}/orders`))
  const statuses = (await Promise.all(calls)).map(({ status }) => status)

  expect(statuses).toEqual(Array.from({ length: 200 }, () => 200))
  expect(issuer.tokenRequests()).toBe(1)
  expect(tokens.size).toBe(1)
})

test('over several lifetimes each token is requested once, and none arrives expired', async () => {
  const issuer = await startIssuer({ tokenLifetimeSeconds: 2 })
  const seen = new Map<string, number>()
  let expired = 0
  const upstream = await startServer((req, res) => {
    const { jti = '', exp = 0 } = decodeJwt(
      req.headers.authorization?.slice('Bearer '.length) ?? '',
    )
    if (exp * 1000 <= Date.now()) expired += 1
    seen.set(jti, (seen.get(jti) ?? 0) + 1)
    res.end('ok')
  })
  const sidecar = await startSidecar(ordersConfig({ issuer: issuer.issuer, upstream }))

  let requests = 0
  const startedAtMs = performance.now()
  while (seen.size < 5) {
    const response = await fetch(`${sidecar.proxyUrl}/orders`)
    expect(response.status).toBe(200)
    await response.text()
    requests += 1
  }
  const elapsedMs = performance.now() - startedAtMs

  expect(expired).toBe(0)
  expect(requests).toBeGreaterThan(50)
  // Every requested token was used, except possibly the latest.
  expect(issuer.tokenRequests() - seen.size).toBeLessThanOrEqual(1)
  // With iat rounded down, a token of two seconds is valid for at least one, and is refreshed at half
  // of its lifetime.
  expect(issuer.tokenRequests()).toBeLessThanOrEqual(2 + elapsedMs / 400)
})

test('the upstream gets the token of the route, with issuer discovery', async () => {
  const issuer = await startIssuer()
  let authorization = ''
  const upstream = await startServer((req, res) => {
    authorization = req.headers.authorization ?? ''
    res.end('ok')
  })
  const sidecar = await startSidecar(
    ordersConfig({ issuer: issuer.issuer, upstream, route: 'scopes: [orders.write]' }),
  )
  expect((await fetch(`${sidecar.proxyUrl}/orders`)).status).toBe(200)

  expect(authorization).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)
  expect(decodeJwt(authorization.slice(7))).toMatchObject({
    iss: issuer.issuer,
    aud: RESOURCE,
    client_id: CLIENT_ID,
    scope: 'orders.write',
  })
})

test('routes with the same scopes in any order share a token', async () => {
  const issuer = await startIssuer()
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const config = ordersConfig({
    issuer: issuer.issuer,
    upstream,
    route: 'scopes: [orders.read, orders.write]',
  })
  const sidecar = await startSidecar(`${config}
  - name: other
    match: { path: /other }
    upstream: ${upstream}
    credential: corp
    scopes: [orders.write, orders.read]
  - name: third
    match: { path: /third }
    upstream: ${upstream}
    credential: corp
`)
  for (const path of ['/orders', '/other', '/third', '/orders', '/other']) {
    expect((await fetch(sidecar.proxyUrl + path)).status).toBe(200)
  }
  expect(issuer.tokenRequests()).toBe(2)
})

test('/readyz waits for the first token, and names what it waits for', async () => {
  let isDown = true
  const endpoint = await startTokenEndpoint((_request, res) => {
    if (isDown) res.writeHead(503).end()
    else sendToken(res, { access_token: 'first' })
  })
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  await until(() => endpoint.requests.length > 0)

  const notReady = await fetch(`${sidecar.adminUrl}/readyz`)
  expect(notReady.status).toBe(503)
  expect(await notReady.json()).toEqual({
    ready: false,
    reasons: [expect.stringContaining('token "corp": Cannot get a token from')],
  })
  expect((await fetch(`${sidecar.adminUrl}/livez`)).status).toBe(200)

  isDown = false
  await until(async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200)
  expect((await fetch(`${sidecar.proxyUrl}/orders`)).status).toBe(200)
})
