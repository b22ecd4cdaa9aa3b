import { expect, test } from 'vitest'
import { callWith } from '../helpers/credential-call.ts'
import { startBetterAuth } from '../helpers/better-auth-server.ts'
import { type Algorithm, createSigningKey } from '../helpers/signing-keys.ts'

const SECRET = `aw+kw%rd & "sec:ret"/\\ 'x' ~`
const REJECTED = { status: 502, code: 'token_rejected', oauthError: 'invalid_client' }

test.for(['client_secret_basic', 'client_secret_post'] as const)(
  'Better Auth accepts the secret by %s, and rejects a wrong one',
  async (method) => {
    const server = await startBetterAuth({
      clientId: 'app',
      clientSecret: SECRET,
      tokenEndpointAuthMethod: method,
    })
    const credential = `
issuer: ${server.issuer}
clientId: app
auth: { method: ${method}, clientSecret: { env: SECRET } }
scopes: [orders.read]`
    const right = await callWith(credential, { SECRET })
    expect(right.body).toMatch(/^Bearer \S+$/)
    expect(server.statuses).toEqual([200])
    const wrong = await callWith(credential, { SECRET: `${SECRET}.` })
    expect(JSON.parse(wrong.body)).toMatchObject(REJECTED)
  },
)

test.for(['RS256', 'PS256', 'ES256', 'EdDSA'] satisfies Algorithm[])(
  'Better Auth accepts an assertion by a %s key, and rejects an unregistered key',
  async (algorithm) => {
    const key = createSigningKey(algorithm)
    const server = await startBetterAuth({
      clientId: 'app',
      tokenEndpointAuthMethod: 'private_key_jwt',
      keys: [key.publicJwk],
    })
    const credential = `
issuer: ${server.issuer}
clientId: app
auth: { method: private_key_jwt, key: { env: KEY }, algorithm: ${algorithm} }
scopes: [orders.read]`
    for (const audience of ['issuer', 'tokenEndpoint']) {
      const lines = credential.replace('algorithm:', `audience: ${audience}, algorithm:`)
      const right = await callWith(lines, { KEY: key.text('JWK') })
      expect(right.body).toMatch(/^Bearer \S+$/)
    }
    expect(server.statuses).toEqual([200, 200])
    const wrong = await callWith(credential, { KEY: createSigningKey(algorithm).text('JWK') })
    expect(JSON.parse(wrong.body)).toMatchObject(REJECTED)
  },
)

test('Better Auth binds tokens to the DPoP key', async () => {
  const server = await startBetterAuth({
    clientId: 'app',
    clientSecret: SECRET,
    tokenEndpointAuthMethod: 'client_secret_basic',
    dpopBoundAccessTokens: true,
  })
  const credential = `
issuer: ${server.issuer}
clientId: app
auth: { clientSecret: { env: SECRET } }
scopes: [orders.read]`
  const bound = await callWith(`${credential}\ndpop: {}`, { SECRET })
  expect(bound.body).toMatch(/^DPoP \S+$/)
  const unbound = await callWith(credential, { SECRET })
  expect(unbound.status).toBe(502)
})
