import { writeFileSync } from 'node:fs'
import { decodeProtectedHeader, type JWTPayload, jwtVerify, UnsecuredJWT } from 'jose'
import { expect, test } from 'vitest'
import { callWith, credentialConfig, fileWith } from '../helpers/credential-call.ts'
import { startServer } from '../helpers/servers.ts'
import { createSigningKey, KEY_ID, type SigningKey } from '../helpers/signing-keys.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import {
  type ReceivedTokenRequest,
  sendToken,
  startTokenEndpoint,
  type TokenEndpoint,
} from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const ROBOT = 'robot@project.example'

/** A token endpoint like Google's: accepts each assertion once, signed by one key, with itself as audience. */
async function startAssertionEndpoint({ publicKey }: SigningKey) {
  const accepted: JWTPayload[] = []
  const verify = async ({ body, headers }: ReceivedTokenRequest): Promise<void> => {
    const { assertion = '', ...others } = Object.fromEntries(new URLSearchParams(body))
    expect(others).toEqual({ grant_type: JWT_BEARER })
    expect(headers.authorization).toBeUndefined()
    const { payload } = await jwtVerify(assertion, publicKey, {
      issuer: ROBOT,
      audience: endpoint.url,
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: '1h',
    })
    if (accepted.some(({ jti }) => jti === payload.jti)) throw new Error('seen before')
    accepted.push(payload)
  }
  const endpoint: TokenEndpoint = await startTokenEndpoint((request, res) => {
    verify(request).then(
      () => sendToken(res, { expires_in: 1 }),
      (error: unknown) => {
        res.writeHead(400, { 'content-type': 'application/json' })
        res.end(JSON.stringify({ error: 'invalid_grant', error_description: String(error) }))
      },
    )
  })
  return { endpoint, accepted }
}

function googleLike(endpoint: TokenEndpoint, more = ''): string {
  return `
tokenEndpoint: ${endpoint.url}
auth: { method: none }
grant:
  type: jwt_bearer
  key: { env: KEY }
  issuer: ${ROBOT}
  claims: { scope: 'https://www.googleapis.com/auth/cloud-platform' }
  ${more}`
}

test('the jwt_bearer grant gets a token for an assertion without client authentication', async () => {
  const key = createSigningKey('RS256')
  const { endpoint, accepted } = await startAssertionEndpoint(key)
  const call = await callWith(googleLike(endpoint), { KEY: key.text('PKCS#8') })
  expect(call.body).toBe('Bearer a-token')
  const [{ iat = 0, exp = 0, jti, ...claims } = {}] = accepted
  expect(claims).toEqual({
    iss: ROBOT,
    sub: ROBOT,
    aud: endpoint.url,
    scope: 'https://www.googleapis.com/auth/cloud-platform',
  })
  expect(exp - iat).toBeLessThanOrEqual(65)
  expect(iat).toBeLessThanOrEqual(Math.floor(Date.now() / 1000) - 5)
  expect(jti).toBeTypeOf('string')
})

test('every jwt_bearer token request has its own assertion', async () => {
  const key = createSigningKey('RS256')
  const { endpoint, accepted } = await startAssertionEndpoint(key)
  const { sidecar } = await callWith(googleLike(endpoint), { KEY: key.text('PKCS#8') })
  await until(async () => {
    expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
    return accepted.length > 1
  })
  expect(accepted).toHaveLength(endpoint.requests.length)
})

test('a jwt_bearer assertion by an unregistered key is rejected', async () => {
  const { endpoint } = await startAssertionEndpoint(createSigningKey('RS256'))
  const foreign = createSigningKey('RS256')
  const { status, body } = await callWith(googleLike(endpoint), { KEY: foreign.text('PKCS#8') })
  expect(status).toBe(502)
  expect(JSON.parse(body)).toMatchObject({ code: 'token_rejected', oauthError: 'invalid_grant' })
})

test.for(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)(
  'a jwt_bearer assertion can have a user as its sub, signed with %s and with a kid',
  async (algorithm) => {
    const key = createSigningKey(algorithm)
    const { endpoint, accepted } = await startAssertionEndpoint(key)
    const lines = `subject: user@example.com\n  algorithm: ${algorithm}`
    const call = await callWith(googleLike(endpoint, lines), { KEY: key.text('JWK') })
    expect(call.status).toBe(200)
    expect(accepted).toMatchObject([{ iss: ROBOT, sub: 'user@example.com' }])
    const assertion = new URLSearchParams(endpoint.requests[0]?.body).get('assertion') ?? ''
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: algorithm, typ: 'JWT', kid: KEY_ID })
  },
)

/** What a token endpoint receives from a credential with this configuration. */
async function formWith(lines: string, env = {}) {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const call = await callWith(`tokenEndpoint: ${endpoint.url}\n${lines}`, env)
  expect(call.body).toBe('Bearer a-token')
  const [request] = endpoint.requests
  return {
    url: endpoint.url,
    authorization: request?.headers.authorization,
    form: Object.fromEntries(new URLSearchParams(request?.body)),
  }
}

test('the jwt_bearer grant can be combined with client authentication', async () => {
  const key = createSigningKey('ES256')
  const { authorization, form, url } = await formWith(
    `
clientId: app
auth: { clientSecret: { env: SECRET } }
scopes: [orders.read]
grant: { type: jwt_bearer, key: { env: KEY }, algorithm: ES256, audience: https://login.example/ }`,
    { SECRET: 's', KEY: key.text('SEC 1') },
  )
  expect(authorization).toBe(`Basic ${Buffer.from('app:s').toString('base64')}`)
  const { assertion = '', ...others } = form
  expect(others).toEqual({ grant_type: JWT_BEARER, scope: 'orders.read' })
  const { payload } = await jwtVerify(assertion, key.publicKey)
  expect(payload).toMatchObject({ iss: 'app', sub: 'app', aud: 'https://login.example/' })
  expect(payload.aud).not.toBe(url)
})

test('additional claims and parameters may have any name', async () => {
  const key = createSigningKey('ES256')
  const { form } = await formWith(
    `
clientId: app
auth: { method: none }
parameters: { file: invoice, key: blue, certificate: silver }
grant: { type: jwt_bearer, key: { env: KEY }, algorithm: ES256, claims: { env: production, file: invoice } }`,
    { KEY: key.text('PKCS#8') },
  )
  expect(form).toMatchObject({ file: 'invoice', key: 'blue', certificate: 'silver' })
  const { payload } = await jwtVerify(form['assertion'] ?? '', key.publicKey)
  expect(payload).toMatchObject({ env: 'production', file: 'invoice' })
})

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

test('a token exchange sends the parameters of RFC 8693', async () => {
  const file = await fileWith('subject.token.of-kubernetes\n\n')
  const { authorization, form } = await formWith(`
auth: { method: none }
scopes: [orders.read]
audience: https://orders.example/
grant: { type: token_exchange, subjectToken: { file: '${file}' } }`)
  expect(authorization).toBeUndefined()
  expect(form).toEqual({
    grant_type: TOKEN_EXCHANGE,
    subject_token: 'subject.token.of-kubernetes',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    scope: 'orders.read',
    audience: 'https://orders.example/',
  })
})

test('a token exchange can have token types and client authentication', async () => {
  const file = await fileWith('subject')
  const { authorization, form } = await formWith(
    `
clientId: app
auth: { clientSecret: { env: SECRET } }
grant:
  type: token_exchange
  subjectToken: { file: '${file}' }
  subjectTokenType: urn:ietf:params:oauth:token-type:id_token
  requestedTokenType: urn:ietf:params:oauth:token-type:access_token`,
    { SECRET: 's' },
  )
  expect(authorization).toBe(`Basic ${Buffer.from('app:s').toString('base64')}`)
  expect(form).toEqual({
    grant_type: TOKEN_EXCHANGE,
    subject_token: 'subject',
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  })
})

/** A sidecar that exchanges the token in a file; `errorFor` returns the OAuth error, or '' for a 503. */
async function startExchange(
  errorFor: (subject: string | null, file: string) => string | undefined,
) {
  const file = await fileWith('one\n')
  const subjects: (string | null)[] = []
  const endpoint = await startTokenEndpoint(({ body }, res) => {
    const subject = new URLSearchParams(body).get('subject_token')
    subjects.push(subject)
    const error = errorFor(subject, file)
    if (error === undefined) sendToken(res)
    else if (error === '') res.writeHead(503).end()
    else res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
  })
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
auth: { method: none }
grant: { type: token_exchange, subjectToken: { file: '${file}' } }`,
      upstream,
    ),
  )
  return { file, subjects, url: sidecar.proxyUrl }
}

test('the subject token is read again for each token exchange', async () => {
  const { subjects, url } = await startExchange((subject, file) => {
    if (subject !== 'one') return undefined
    writeFileSync(file, 'two\n')
    return ''
  })
  await until(async () => (await fetch(url)).status === 200)
  expect(subjects).toEqual(['one', 'two'])
})

test('a replaced subject token is used within seconds of a rejection', async () => {
  const { file, subjects, url } = await startExchange((subject) =>
    subject === 'one' ? 'invalid_grant' : undefined,
  )
  expect((await fetch(url)).status).toBe(502)
  writeFileSync(file, 'two')
  await untilAccepted(url)
  expect(subjects).toEqual(['one', 'two'])
})

test('a subject token that is replaced during its rejection is used within seconds', async () => {
  const { subjects, url } = await startExchange((subject, file) => {
    if (subject !== 'one') return undefined
    writeFileSync(file, 'two')
    return 'invalid_grant'
  })
  await untilAccepted(url)
  expect(subjects).toEqual(['one', 'two'])
})

/** Waits up to 10 s: without a changed file, a rejected token request is not retried for a minute. */
async function untilAccepted(url: string): Promise<void> {
  const startedAtMs = performance.now()
  await until(
    async () => (await fetch(url)).status === 200 || performance.now() - startedAtMs > 10_000,
  )
}

test.for([
  { what: 'an ID token for another audience', extra: { id_token: foreignIdToken() } },
  { what: 'an invalid ID token', extra: { id_token: 'no-jwt' } },
  { what: 'null values', extra: { id_token: null, refresh_token: null, scope: null } },
  { what: 'a refresh token', extra: { refresh_token: 'a-refresh-token' } },
  {
    what: 'an issued_token_type',
    extra: { issued_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
  },
])('a token response with $what is accepted', async ({ extra }) => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res, extra))
  const { body } = await callWith(
    `tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }`,
  )
  expect(body).toBe('Bearer a-token')
})

/** Keycloak sends one for a service account if "openid" is among the scopes. */
function foreignIdToken(): string {
  return new UnsecuredJWT({ nonce: 'of another' })
    .setIssuer('https://login.example/')
    .setAudience('another')
    .setSubject('service-account')
    .setIssuedAt()
    .setExpirationTime('1h')
    .encode()
}
