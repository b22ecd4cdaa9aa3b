import { randomBytes } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, calculateJwkThumbprint } from 'jose'
import { expect, test } from 'vitest'
import { startDpopApi } from '../helpers/dpop-api.ts'
import { credentialConfig, fileWith } from '../helpers/credential-call.ts'
import { machineClient, type RunningProvider, startProvider } from '../helpers/provider.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { createSigningKey } from '../helpers/signing-keys.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** An oidc-provider that binds all tokens for "app" to a key. */
async function startBindingIssuer(requireNonce = false): Promise<RunningProvider> {
  return await startProvider({
    clients: [
      machineClient({ client_id: 'app', client_secret: 'secret', dpop_bound_access_tokens: true }),
    ],
    features: {
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => requireNonce },
    },
    configuration: {
      enabledJWA: { dPoPSigningAlgValues: ['ES256', 'Ed25519', 'RS256', 'PS256'] },
    },
  })
}

function credential({ issuer }: Pick<RunningProvider, 'issuer'>, dpop = '{}'): string {
  return `
issuer: ${issuer}
clientId: app
auth: { clientSecret: { env: SECRET } }
dpop: ${dpop}`
}

const env = { SECRET: 'secret' }

type Setup = {
  readonly dpop?: string
  readonly requireNonce?: boolean
  readonly path?: string
  readonly route?: string
}

async function startAll({ dpop, requireNonce, path = '', route }: Setup = {}) {
  const issuer = await startBindingIssuer(requireNonce)
  const api = await startDpopApi(issuer)
  const config = credentialConfig(credential(issuer, dpop), api.origin + path, route)
  const sidecar = await startSidecar(config, env)
  await until(async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200)
  return { issuer, api, sidecar, url: sidecar.proxyUrl }
}

test.for(['ES256', 'Ed25519', 'RS256', 'PS256'])(
  'a strict API accepts the DPoP proof of a token bound to a %s key',
  async (algorithm) => {
    const { api, url } = await startAll({ dpop: `{ algorithm: ${algorithm} }` })
    const response = await fetch(`${url}/orders/7`)
    expect(await response.text()).toBe('accepted ')
    expect(api.attempts).toMatchObject([{ status: 200, alg: algorithm }])
  },
)

test('every request has its own DPoP proof, for its method and URL', async () => {
  const { api, url, issuer } = await startAll({ path: '/v2' })
  for (const [method, path] of [
    ['GET', '/orders'],
    ['GET', '/orders'],
    ['POST', '/orders?state=open&x=%2F'],
    ['DELETE', '/orders/a%20b'],
    ['GET', '/'],
  ] as const) {
    const response = await fetch(url + path, { method })
    expect(await response.text()).toBe('accepted ')
  }
  expect(api.attempts.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  expect(issuer.statuses).toEqual([200])
})

test.for([
  { form: 'PKCS#8', algorithm: 'ES256' },
  { form: 'JWK', algorithm: 'ES256' },
  { form: 'SEC 1', algorithm: 'ES256' },
  { form: 'PKCS#8', algorithm: 'RS256' },
] as const)(
  'the DPoP key is read from a file, for $algorithm in the format $form',
  async ({ form, algorithm }) => {
    const key = createSigningKey(algorithm)
    const file = await fileWith(key.text(form))
    const issuer = await startBindingIssuer()
    const received = Promise.withResolvers<string>()
    const upstream = await startServer((req, res) => {
      received.resolve(req.headers.authorization ?? '')
      res.end()
    })
    const dpop = `{ algorithm: ${algorithm}, key: { file: '${file}' } }`
    const sidecar = await startSidecar(credentialConfig(credential(issuer, dpop), upstream), env)
    await fetch(sidecar.proxyUrl)
    const [, token = ''] = (await received.promise).split(' ')
    expect(await issuer.verify(token)).toMatchObject({
      cnf: { jkt: await calculateJwkThumbprint(key.publicJwk) },
    })
  },
)

test('a token request is repeated with the DPoP nonce that the authorization server requires', async () => {
  const { issuer, api, url } = await startAll({ requireNonce: true })
  expect((await fetch(url)).status).toBe(200)
  expect(issuer.statuses).toEqual([400, 200])
  expect(api.attempts).toHaveLength(1)
})

test('the DPoP nonce of the authorization server is used for the next token request', async () => {
  const { issuer, api, url } = await startAll({ requireNonce: true })
  expect((await fetch(url)).status).toBe(200)
  api.revokeAll()
  expect((await fetch(url)).status).toBe(200)
  expect(issuer.statuses).toEqual([400, 200, 200])
  expect(api.attempts.map(({ status }) => status)).toEqual([200, 401, 200])
})

test('an authorization server that rejects every DPoP nonce gets two token requests', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => {
    res.setHeader('DPoP-Nonce', `nonce-${endpoint.requests.length}`)
    res.writeHead(400, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ error: 'use_dpop_nonce' }))
  })
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: none }
dpop: {}
prefetch: false`,
      upstream,
    ),
  )
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({
    code: 'token_unavailable',
    oauthError: 'use_dpop_nonce',
  })
  const proofs = endpoint.requests.slice(0, 2).map(({ headers }) => String(headers['dpop']))
  expect(proofs.map((proof) => decodeJwt(proof)['nonce'])).toEqual([undefined, 'nonce-1'])
  expect(proofs.map((proof) => decodeProtectedHeader(proof).typ)).toEqual(['dpop+jwt', 'dpop+jwt'])
})

test('a request is repeated with the DPoP nonce that the API requires, and later requests have it', async () => {
  const { issuer, api, url } = await startAll()
  api.wantNonce('one')
  const first = await fetch(`${url}/orders`)
  expect(await first.text()).toBe('accepted ')
  expect(first.headers.get('www-authenticate')).toBeNull()
  expect((await fetch(`${url}/customers`)).status).toBe(200)
  expect(api.attempts).toMatchObject([
    { status: 401, nonce: undefined },
    { status: 200, nonce: 'one' },
    { status: 200, nonce: 'one' },
  ])
  expect(issuer.statuses).toEqual([200])
})

test('a DPoP nonce in a successful response is used', async () => {
  const rolling = await startBindingIssuer()
  const nonces: unknown[] = []
  const upstream = await startServer((req, res) => {
    nonces.push(decodeJwt(String(req.headers['dpop']))['nonce'])
    res.setHeader('DPoP-Nonce', `nonce-${nonces.length}`).end()
  })
  const sidecar = await startSidecar(credentialConfig(credential(rolling), upstream), env)
  for (let round = 0; round < 3; round += 1) {
    const response = await fetch(sidecar.proxyUrl)
    expect(response.status).toBe(200)
    await response.text()
  }
  expect(nonces).toEqual([undefined, 'nonce-1', 'nonce-2'])
})

test('a DPoP nonce of one API is not sent to another', async () => {
  const issuer = await startBindingIssuer()
  const one = await startDpopApi(issuer)
  const two = await startDpopApi(issuer)
  one.wantNonce('one')
  const config = `${credentialConfig(credential(issuer), one.origin)}
  - { name: two, match: { path: /two }, upstream: '${two.origin}', credential: corp }`
  const sidecar = await startSidecar(config, env)
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
  expect((await fetch(`${sidecar.proxyUrl}/two`)).status).toBe(200)
  expect(one.attempts.at(-1)).toMatchObject({ nonce: 'one' })
  expect(two.attempts).toMatchObject([{ nonce: undefined }])
})

test('DPoP-Nonce is removed from responses to the application', async () => {
  const { api, url } = await startAll()
  api.wantNonce('one')
  const retried = await fetch(url)
  expect(retried.status).toBe(200)
  expect(retried.headers.get('dpop-nonce')).toBeNull()
  const direct = await fetch(url)
  expect(direct.status).toBe(200)
  expect(direct.headers.get('dpop-nonce')).toBeNull()
})

test('a DPoP field of the application is replaced', async () => {
  const { api, url } = await startAll()
  const response = await fetch(url, { headers: { DPoP: 'of-the-application' } })
  expect(await response.text()).toBe('accepted ')
  expect(api.attempts).toHaveLength(1)
})

test.for([
  { what: 'a small body', body: 'a'.repeat(1_000) },
  { what: 'the largest replayable body', body: 'a'.repeat(64 * 1024) },
])('$what is replayed with the DPoP nonce', async ({ body }) => {
  const { api, url } = await startAll()
  api.wantNonce('one')
  const response = await fetch(url, { method: 'POST', body })
  expect(await response.text()).toBe(`accepted ${body}`)
  expect(api.attempts.map((attempt) => attempt.body === body)).toEqual([true, true])
})

test('a request with a body too large for a replay gets the 401, and the next request has the DPoP nonce', async () => {
  const { issuer, api, url } = await startAll()
  api.wantNonce('one')
  const response = await fetch(url, { method: 'POST', body: 'a'.repeat(64 * 1024 + 1) })
  expect(response.status).toBe(401)
  await response.text()
  expect((await fetch(url)).status).toBe(200)
  expect(api.attempts.map(({ status }) => status)).toEqual([401, 200])
  // No new token was requested, because only the nonce was missing.
  expect(issuer.statuses).toEqual([200])
})

test('an API that rejects every DPoP nonce gets two requests, and the application the 401', async () => {
  const issuer = await startBindingIssuer()
  const nonces: unknown[] = []
  const upstream = await startServer((req, res) => {
    nonces.push(decodeJwt(String(req.headers['dpop']))['nonce'])
    res.setHeader('DPoP-Nonce', `nonce-${nonces.length}`)
    res.writeHead(401, { 'www-authenticate': 'DPoP error="use_dpop_nonce"' }).end('no')
  })
  const sidecar = await startSidecar(credentialConfig(credential(issuer), upstream), env)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(401)
  expect(await response.text()).toBe('no')
  expect(nonces).toEqual([undefined, 'nonce-1'])
  // The second 401 contained a nonce, too.
  expect((await fetch(sidecar.proxyUrl)).status).toBe(401)
  expect(nonces).toEqual([undefined, 'nonce-1', 'nonce-2', 'nonce-3'])
  expect(issuer.statuses).toEqual([200])
})

test('a revoked DPoP token is replaced, with a proof for the new one', async () => {
  const { issuer, api, url } = await startAll()
  expect((await fetch(url)).status).toBe(200)
  api.revokeAll()
  expect((await fetch(url)).status).toBe(200)
  expect(issuer.statuses).toEqual([200, 200])
  expect(api.attempts.map(({ status }) => status)).toEqual([200, 401, 200])
})

test("the application's own token is sent without a DPoP proof", async () => {
  const issuer = await startBindingIssuer()
  const received: unknown[] = []
  const upstream = await startServer((req, res) => {
    received.push([req.headers.authorization, req.headers['dpop']])
    res.end()
  })
  const config = credentialConfig(credential(issuer), upstream, 'existingAuthorization: keep')
  const sidecar = await startSidecar(config, env)
  await fetch(sidecar.proxyUrl, { headers: { authorization: 'Bearer own' } })
  expect(received).toEqual([['Bearer own', undefined]])
})

test('a Bearer token in response to a DPoP token request is used without a proof', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const received: unknown[] = []
  const upstream = await startServer((req, res) => {
    received.push([req.headers.authorization, req.headers['dpop']])
    res.end()
  })
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: none }
dpop: {}`,
      upstream,
    ),
  )
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
  expect(received).toEqual([['Bearer a-token', undefined]])
})

test('a token of type DPoP is rejected without a DPoP configuration', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { token_type: 'DPoP' }),
  )
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: none }`,
      upstream,
    ),
  )
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({ code: 'token_invalid' })
})
