import { expect, test } from 'vitest'
import { endpointConfig, ordersConfig } from '../helpers/config-text.ts'
import { CLIENT_ID, CLIENT_SECRET, startIssuer, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** The token request of a credential with these settings. */
async function tokenRequestOf(credential: string, route = '') {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.end())
  await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream, credential, route }))
  await until(() => endpoint.requests.length > 0)
  const [request] = endpoint.requests
  if (request === undefined) throw new Error('no token request came')
  return request
}

test('a token request is a form with the grant type and the scopes', async () => {
  const { method, headers, body } = await tokenRequestOf('')
  expect(method).toBe('POST')
  expect(headers['content-type']).toBe('application/x-www-form-urlencoded')
  expect(headers.accept).toBe('application/json')
  expect(headers['user-agent']).toMatch(/^token-sidecar\/\d/)
  expect([...new URLSearchParams(body)]).toEqual([
    ['scope', 'orders.read'],
    ['grant_type', 'client_credentials'],
  ])
})

test('audience, resource and parameters are sent, lists as repeated parameters', async () => {
  const { body } = await tokenRequestOf(
    `audience: [https://a.example, https://b.example]
resource: https://c.example/
parameters: { tenant: 'blue & green' }`,
    'scopes: []',
  )
  expect([...new URLSearchParams(body)].toSorted(([a], [b]) => a.localeCompare(b))).toEqual([
    ['audience', 'https://a.example'],
    ['audience', 'https://b.example'],
    ['grant_type', 'client_credentials'],
    ['resource', 'https://c.example/'],
    ['tenant', 'blue & green'],
  ])
})

test('a configuration with the parameter grant_type is rejected', async () => {
  await expect(tokenRequestOf('parameters: { grant_type: password }')).rejects.toThrow(
    'expected a parameter that \\"grant.type\\" does not set already',
  )
})

// RFC 6749 section 2.3.1 and appendix B: both parts are form-encoded before the Basic encoding.
test('client_secret_basic form-encodes special characters of the secret', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.end())
  await startSidecar(
    `
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: 'a:b'
    auth: { clientSecret: { env: SECRET } }
routes:
  - { name: orders, match: { path: / }, upstream: '${upstream}', credential: corp }
`,
    { SECRET: 'p@ss w:rd+%&=~' },
  )
  await until(() => endpoint.requests.length > 0)
  const [, encoded = ''] = endpoint.requests[0]?.headers.authorization?.split(' ') ?? []
  const [id = '', secret = ''] = Buffer.from(encoded, 'base64').toString().split(':')
  expect(new URLSearchParams(`id=${id}&secret=${secret}`).get('id')).toBe('a:b')
  expect(new URLSearchParams(`id=${id}&secret=${secret}`).get('secret')).toBe('p@ss w:rd+%&=~')
  expect(secret).not.toMatch(/[^\w%+.-]/)
})

test('oidc-provider accepts a secret with special characters by each method, and rejects a wrong one', async () => {
  const secret = `aw+kw%rd & "sec:ret"/\\ 'x' ~`
  const methods = ['client_secret_basic', 'client_secret_post'] as const
  const issuer = await startIssuer({
    clients: methods.map((method) => ({
      client_id: `by ${method}`,
      client_secret: secret,
      token_endpoint_auth_method: method,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
  })
  const upstream = await startServer((_req, res) => void res.end('ok'))
  for (const method of methods) {
    const config = (env: string): string => `
credentials:
  corp:
    issuer: ${issuer.issuer}
    clientId: by ${method}
    auth: { method: ${method}, clientSecret: { env: ${env} } }
routes:
  - { name: orders, match: { path: / }, upstream: '${upstream}', credential: corp }
`
    const env = { RIGHT: secret, WRONG: `${secret}.` }
    const right = await startSidecar(config('RIGHT'), env)
    expect((await fetch(right.proxyUrl)).status).toBe(200)
    const wrong = await startSidecar(config('WRONG'), env)
    const response = await fetch(wrong.proxyUrl)
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({
      code: 'token_rejected',
      oauthError: 'invalid_client',
    })
  }
})

test('client_secret_post sends no Authorization header', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.end())
  await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream }).replace(
      'client_secret_basic',
      'client_secret_post',
    ),
  )
  await until(() => endpoint.requests.length > 0)
  const [request] = endpoint.requests
  expect(request?.headers.authorization).toBeUndefined()
  const form = new URLSearchParams(request?.body)
  expect(form.get('client_id')).toBe(CLIENT_ID)
  expect(form.get('client_secret')).toBe(CLIENT_SECRET)
})

test('metadata with a different issuer is rejected, with advice about a trailing slash', async () => {
  const issuer = await startIssuer()
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(ordersConfig({ issuer: `${issuer.issuer}/`, upstream }))
  const response = await fetch(`${sidecar.proxyUrl}/orders`)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'token_invalid',
    detail: expect.stringContaining('including a trailing slash'),
  })
})
