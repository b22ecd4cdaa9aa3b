import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

type Failure = {
  readonly what: string
  readonly respond: (res: ServerResponse) => void
  readonly status: number
  readonly code: string
  readonly oauthError?: string
}

const json = (status: number, body: unknown) => (res: ServerResponse) => {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const FAILURES: readonly Failure[] = [
  {
    what: '401 invalid_client',
    respond: json(401, { error: 'invalid_client' }),
    status: 502,
    code: 'token_rejected',
    oauthError: 'invalid_client',
  },
  {
    what: '400 invalid_scope',
    respond: json(400, { error: 'invalid_scope' }),
    status: 502,
    code: 'token_rejected',
    oauthError: 'invalid_scope',
  },
  {
    what: '400 invalid_target',
    respond: json(400, { error: 'invalid_target' }),
    status: 502,
    code: 'token_rejected',
    oauthError: 'invalid_target',
  },
  {
    what: 'an unregistered error code',
    respond: json(400, { error: 'canary-4711' }),
    status: 502,
    code: 'token_rejected',
  },
  {
    what: '401 without a body',
    respond: (res) => void res.writeHead(401, { 'www-authenticate': 'Basic' }).end(),
    status: 502,
    code: 'token_rejected',
  },
  {
    what: '400 temporarily_unavailable',
    respond: json(400, { error: 'temporarily_unavailable' }),
    status: 503,
    code: 'token_unavailable',
    oauthError: 'temporarily_unavailable',
  },
  {
    what: '500',
    respond: (res) => void res.writeHead(500).end(),
    status: 503,
    code: 'token_unavailable',
  },
  {
    what: '503 with an HTML page',
    respond: (res) => void res.writeHead(503, { 'content-type': 'text/html' }).end('<html>'),
    status: 503,
    code: 'token_unavailable',
  },
  {
    what: '429',
    respond: (res) => void res.writeHead(429, { 'retry-after': '7' }).end(),
    status: 503,
    code: 'token_unavailable',
  },
  {
    what: 'a connection reset',
    respond: (res) => void res.destroy(),
    status: 503,
    code: 'token_unavailable',
  },
  {
    what: 'a truncated body',
    respond: (res) =>
      void res
        .writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
        .write('{"access', () => void res.destroy()),
    status: 503,
    code: 'token_unavailable',
  },
  {
    what: 'no data within the time limit',
    respond: () => {},
    status: 503,
    code: 'token_unavailable',
  },
  {
    what: 'a body that arrives byte by byte',
    respond(res) {
      res.writeHead(200, { 'content-type': 'application/json' })
      const drip = setInterval(() => res.write(' '), 50)
      res.on('close', () => clearInterval(drip))
    },
    status: 503,
    code: 'token_unavailable',
  },
  {
    what: '200 with an empty body',
    respond: (res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(),
    status: 502,
    code: 'token_invalid',
  },
  {
    what: '200 with broken JSON',
    respond: (res) =>
      void res.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":'),
    status: 502,
    code: 'token_invalid',
  },
  {
    what: '200 with HTML',
    respond: (res) => void res.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    status: 502,
    code: 'token_invalid',
  },
  {
    what: '200 without access_token',
    respond: (res) => sendToken(res, { access_token: undefined }),
    status: 502,
    code: 'token_invalid',
  },
  {
    what: 'an unknown token_type',
    respond: (res) => sendToken(res, { token_type: 'mac' }),
    status: 502,
    code: 'token_invalid',
  },
  {
    what: 'a token with a line break',
    respond: (res) => sendToken(res, { access_token: 'a\r\nX-Evil: 1' }),
    status: 502,
    code: 'token_invalid',
  },
  {
    what: 'a redirect',
    respond: (res) => void res.writeHead(302, { location: '/elsewhere' }).end(),
    status: 502,
    code: 'token_invalid',
  },
  {
    what: 'a body of ten megabytes',
    respond: (res) => sendToken(res, { access_token: 'a'.repeat(10_000_000) }),
    status: 502,
    code: 'token_invalid',
  },
]

function oauthErrorOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'oauthError' in body
    ? body.oauthError
    : undefined
}

test.for(FAILURES)('a token response with $what causes $code', async (failure) => {
  const endpoint = await startTokenEndpoint((_request, res) => failure.respond(res))
  let reached = 0
  const upstream = await startServer((_req, res) => {
    reached += 1
    res.end()
  })
  const sidecar = await startSidecar(
    endpointConfig({
      endpoint: endpoint.url,
      upstream,
      credential: 'timeout: 1s\nprefetch: false',
    }),
  )
  const response = await fetch(`${sidecar.proxyUrl}/orders`)
  const body: unknown = await response.json()

  expect(response.status).toBe(failure.status)
  expect(body).toMatchObject({ code: failure.code, status: failure.status, route: 'orders' })
  expect(oauthErrorOf(body)).toBe(failure.oauthError)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(response.headers.get('proxy-status')).toContain(`details="${failure.code}"`)
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(JSON.stringify(body)).not.toContain('canary')
  expect(reached).toBe(0)
})

test('during the back-off requests fail at once, without a token request', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    json(401, { error: 'invalid_client' })(res),
  )
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  await until(() => endpoint.requests.length > 0)
  for (let round = 0; round < 50; round += 1) {
    const response = await fetch(`${sidecar.proxyUrl}/orders`)
    expect(response.status).toBe(502)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(50)
    await response.text()
  }
  expect(endpoint.requests.length).toBe(1)
})

test('Retry-After of the authorization server is forwarded to the application', async () => {
  const endpoint = await startTokenEndpoint(
    (_request, res) => void res.writeHead(429, { 'retry-after': '120' }).end(),
  )
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  const response = await fetch(`${sidecar.proxyUrl}/orders`)
  expect(response.status).toBe(503)
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(100)
})

test('a refused connection to the authorization server causes token_unavailable, with the reason', async () => {
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: 'http://127.0.0.1:1/token', upstream }),
  )
  const response = await fetch(`${sidecar.proxyUrl}/orders`)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({
    code: 'token_unavailable',
    detail: 'Cannot reach "127.0.0.1:1": connection refused',
  })
})

test("a request waits for a token at most for the route's token timeout", async () => {
  const endpoint = await startTokenEndpoint(() => {})
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream, route: 'timeouts: { token: 200ms }' }),
  )
  const response = await fetch(`${sidecar.proxyUrl}/orders`)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({
    detail: expect.stringContaining('did not respond in time'),
  })
})

test('a client that disconnects does not cancel the token request for others', async () => {
  const gate = Promise.withResolvers<void>()
  const endpoint = await startTokenEndpoint(
    (_request, res) => void gate.promise.then(() => sendToken(res)),
  )
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream, credential: 'prefetch: false' }),
  )
  const controller = new AbortController()
  const aborted = fetch(`${sidecar.proxyUrl}/orders`, { signal: controller.signal })
  const other = fetch(`${sidecar.proxyUrl}/orders`)
  await until(() => endpoint.requests.length > 0)
  controller.abort()
  await expect(aborted).rejects.toThrow('abort')
  gate.resolve()
  expect((await other).status).toBe(200)
  expect(endpoint.requests.length).toBe(1)
})

test.for([
  { existing: 'keep', status: 200 },
  { existing: 'reject', status: 400 },
])(
  'a request with its own Authorization does not wait for a token with existingAuthorization: $existing',
  async ({ existing, status }) => {
    const endpoint = await startTokenEndpoint(() => {})
    const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
    const sidecar = await startSidecar(
      endpointConfig({
        endpoint: endpoint.url,
        upstream,
        route: `existingAuthorization: ${existing}`,
      }),
    )
    const response = await fetch(`${sidecar.proxyUrl}/orders`, {
      headers: { authorization: 'own' },
    })
    expect(response.status).toBe(status)
  },
)
