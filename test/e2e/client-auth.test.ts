import { writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { callWith, credentialConfig, fileWith } from '../helpers/credential-call.ts'
import { machineClient, type RunningProvider, startProvider } from '../helpers/provider.ts'
import {
  type Algorithm,
  createSigningKey,
  KEY_ID,
  type KeyForm,
  PASSPHRASE,
  type SigningKey,
} from '../helpers/signing-keys.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint, type TokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

// Long enough for HS256 (RFC 7518 section 3.2), and with many characters that need form-encoding.
const SECRET = `aw+kw%rd & "sec:ret"/\\ 'x' ~, of thirty-two bytes`
const PLAIN_SECRET = 'no-character-needs-an-encoding'

const ACCEPTED = { status: 200, scheme: 'Bearer', claims: { client_id: 'app' } }
const REJECTED = { status: 502, code: 'token_rejected', oauthError: 'invalid_client' }

/** The result of a request with this credential: the claims of its token, or the problem. */
async function outcomeOf(issuer: RunningProvider, credential: string, env = {}): Promise<object> {
  const { status, body } = await callWith(`issuer: ${issuer.issuer}\n${credential}`, env)
  if (status !== 200) return JSON.parse(body)
  const [scheme, token = ''] = body.split(' ')
  return { status, scheme, claims: await issuer.verify(token) }
}

/** A token endpoint that has received a first request, which failed, and its retry. */
async function twoRequests(credential: string, env = {}): Promise<TokenEndpoint> {
  const endpoint = await startTokenEndpoint((_request, res) => {
    if (endpoint.requests.length === 1) res.writeHead(503).end()
    else sendToken(res)
  })
  await callWith(`tokenEndpoint: ${endpoint.url}\n${credential}`, env)
  await until(() => endpoint.requests.length === 2)
  return endpoint
}

function formOf(endpoint: TokenEndpoint, index = 0): URLSearchParams {
  return new URLSearchParams(endpoint.requests[index]?.body)
}

test.for([
  { how: 'client_secret_basic', method: 'client_secret_basic', more: '', secret: SECRET },
  {
    how: 'raw client_secret_basic',
    method: 'client_secret_basic',
    more: ', encoding: raw',
    secret: PLAIN_SECRET,
  },
  { how: 'client_secret_post', method: 'client_secret_post', more: '', secret: SECRET },
  { how: 'client_secret_jwt', method: 'client_secret_jwt', more: '', secret: SECRET },
] as const)(
  'oidc-provider accepts the secret by $how, and rejects a wrong one',
  async ({ method, more, secret }) => {
    const issuer = await startProvider({
      clients: [
        machineClient({
          client_id: 'app',
          client_secret: secret,
          token_endpoint_auth_method: method,
        }),
      ],
    })
    const credential = `
clientId: app
auth: { method: ${method}, clientSecret: { env: SECRET }${more} }`
    expect(await outcomeOf(issuer, credential, { SECRET: secret })).toMatchObject(ACCEPTED)
    const wrong = await outcomeOf(issuer, credential, { SECRET: `${secret}.` })
    expect(wrong).toMatchObject(REJECTED)
  },
)

test('with the encoding "raw" the secret is not form-encoded', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const secret = 'p@ss w:rd+%&=~'
  await callWith(
    `
tokenEndpoint: ${endpoint.url}
clientId: a+b
auth: { clientSecret: { env: SECRET }, encoding: raw }`,
    { SECRET: secret },
  )
  const [scheme, encoded = ''] = endpoint.requests[0]?.headers.authorization?.split(' ') ?? []
  expect(scheme).toBe('Basic')
  expect(Buffer.from(encoded, 'base64').toString()).toBe(`a+b:${secret}`)
  expect([...formOf(endpoint)]).toEqual([['grant_type', 'client_credentials']])
})

test.for([
  // Form decoding changes none of these characters, and some servers do not decode at all.
  { text: 'Az-09_a.b*c', encoded: 'Az-09_a.b*c' },
  { text: 'a b+c:d%e~f/g=h&i', encoded: 'a+b%2Bc%3Ad%25e%7Ef%2Fg%3Dh%26i' },
])('in Basic credentials $text is form-encoded as $encoded', async ({ text, encoded }) => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  await callWith(
    `
tokenEndpoint: ${endpoint.url}
clientId: '${text}'
auth: { clientSecret: { env: SECRET } }`,
    { SECRET: text },
  )
  const [, credentials = ''] = endpoint.requests[0]?.headers.authorization?.split(' ') ?? []
  expect(Buffer.from(credentials, 'base64').toString()).toBe(`${encoded}:${encoded}`)
})

/** An oidc-provider with a client that is registered by its public key. */
async function startKeyIssuer({ publicJwk }: SigningKey): Promise<RunningProvider> {
  return await startProvider({
    clients: [
      machineClient({
        client_id: 'app',
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [publicJwk] },
      }),
    ],
  })
}

const KEYS: readonly { algorithm: Algorithm; form: KeyForm }[] = [
  { algorithm: 'RS256', form: 'PKCS#8' },
  { algorithm: 'RS256', form: 'encrypted PKCS#8' },
  { algorithm: 'RS256', form: 'PKCS#1' },
  { algorithm: 'RS256', form: 'JWK' },
  { algorithm: 'PS256', form: 'PKCS#8' },
  { algorithm: 'PS256', form: 'JWK' },
  { algorithm: 'ES256', form: 'PKCS#8' },
  { algorithm: 'ES256', form: 'encrypted PKCS#8' },
  { algorithm: 'ES256', form: 'SEC 1' },
  { algorithm: 'ES256', form: 'JWK' },
  { algorithm: 'EdDSA', form: 'PKCS#8' },
  { algorithm: 'EdDSA', form: 'encrypted PKCS#8' },
  { algorithm: 'EdDSA', form: 'JWK' },
]

test.for(KEYS)(
  'oidc-provider accepts an assertion signed with $algorithm by a key in the format $form, and rejects an unregistered key',
  async ({ algorithm, form }) => {
    const key = createSigningKey(algorithm)
    const issuer = await startKeyIssuer(key)
    const credential = `
clientId: app
auth:
  method: private_key_jwt
  key: { env: KEY }
  algorithm: ${algorithm}
  ${form === 'encrypted PKCS#8' ? 'passphrase: { env: PASSPHRASE }' : ''}`
    expect(await outcomeOf(issuer, credential, { KEY: key.text(form), PASSPHRASE })).toMatchObject(
      ACCEPTED,
    )
    expect(issuer.assertions).toMatchObject([
      { header: { alg: algorithm, typ: 'client-authentication+jwt' } },
    ])
    const foreign = createSigningKey(algorithm)
    expect(
      await outcomeOf(issuer, credential, { KEY: foreign.text(form), PASSPHRASE }),
    ).toMatchObject(REJECTED)
  },
)

test('a signing key is read from a file', async () => {
  const key = createSigningKey('ES256')
  const issuer = await startKeyIssuer(key)
  const file = await fileWith(key.text('PKCS#8'))
  expect(
    await outcomeOf(
      issuer,
      `
clientId: app
auth: { method: private_key_jwt, key: { file: '${file}' }, algorithm: ES256 }`,
    ),
  ).toMatchObject(ACCEPTED)
})

/** The header of the assertion that oidc-provider receives for this configuration. */
async function assertionHeader(form: KeyForm, lines: string): Promise<object | undefined> {
  const key = createSigningKey('ES256')
  const issuer = await startKeyIssuer(key)
  expect(
    await outcomeOf(
      issuer,
      `
clientId: app
auth:
  method: private_key_jwt
  key: { env: KEY }
  algorithm: ES256
  ${lines}`,
      { KEY: key.text(form) },
    ),
  ).toMatchObject(ACCEPTED)
  return issuer.assertions[0]?.header
}

const PLAIN_HEADER = { alg: 'ES256', typ: 'client-authentication+jwt' }

test('an assertion has the kid of the JWK', async () => {
  expect(await assertionHeader('JWK', '')).toEqual({ ...PLAIN_HEADER, kid: KEY_ID })
})

test('an assertion by a PEM key has a kid only if it is configured', async () => {
  expect(await assertionHeader('PKCS#8', '')).toEqual(PLAIN_HEADER)
  expect(await assertionHeader('PKCS#8', `keyId: ${KEY_ID}`)).toEqual({
    ...PLAIN_HEADER,
    kid: KEY_ID,
  })
})

test('an assertion can have an x5t#S256 thumbprint of its certificate', async () => {
  expect(await assertionHeader('PKCS#8', 'header: { x5t#S256: thumb-print }')).toEqual({
    ...PLAIN_HEADER,
    'x5t#S256': 'thumb-print',
  })
})

test.for([
  { method: 'private_key_jwt', audience: undefined, expected: 'issuer' },
  { method: 'private_key_jwt', audience: 'issuer', expected: 'issuer' },
  { method: 'private_key_jwt', audience: 'tokenEndpoint', expected: 'tokenEndpoint' },
  { method: 'client_secret_jwt', audience: undefined, expected: 'issuer' },
  { method: 'client_secret_jwt', audience: 'tokenEndpoint', expected: 'tokenEndpoint' },
] as const)(
  'the audience setting $audience makes the aud of a $method assertion the $expected',
  async ({ method, audience, expected }) => {
    const key = createSigningKey('RS256')
    const issuer = await startProvider({
      clients: [
        machineClient({
          client_id: 'app',
          token_endpoint_auth_method: method,
          ...(method === 'private_key_jwt'
            ? { jwks: { keys: [key.publicJwk] } }
            : { client_secret: SECRET }),
        }),
      ],
    })
    const proof = method === 'private_key_jwt' ? 'key: { env: KEY }' : 'clientSecret: { env: KEY }'
    const more = audience === undefined ? '' : `, audience: ${audience}`
    expect(
      await outcomeOf(issuer, `clientId: app\nauth: { method: ${method}, ${proof}${more} }`, {
        KEY: method === 'private_key_jwt' ? key.text('PKCS#8') : SECRET,
      }),
    ).toMatchObject(ACCEPTED)
    expect(issuer.assertions).toMatchObject([{ claims: { aud: issuer[expected] } }])
  },
)

test('oidc-provider rejects an assertion for another audience', async () => {
  const key = createSigningKey('ES256')
  const issuer = await startKeyIssuer(key)
  expect(
    await outcomeOf(
      issuer,
      `
clientId: app
auth: { method: private_key_jwt, key: { env: KEY }, algorithm: ES256, audience: https://other.example/ }`,
      { KEY: key.text('PKCS#8') },
    ),
  ).toMatchObject(REJECTED)
})

test.for([
  { what: 'private_key_jwt', lines: 'method: private_key_jwt, key: { env: KEY }' },
  { what: 'client_secret_jwt', lines: 'method: client_secret_jwt, clientSecret: { env: SECRET }' },
])('a $what assertion has iss, sub, aud, iat, exp and a unique jti', async (given) => {
  const key = createSigningKey('RS256')
  const startedAtSeconds = Math.floor(Date.now() / 1000)
  const endpoint = await twoRequests(
    `clientId: app\nauth: { ${given.lines}, audience: https://login.example/ }`,
    { KEY: key.text('PKCS#8'), SECRET },
  )
  const verifier = given.what === 'private_key_jwt' ? key.publicKey : Buffer.from(SECRET)
  const ids = new Set<string | undefined>()
  for (const index of [0, 1]) {
    const form = formOf(endpoint, index)
    const { client_assertion: assertion = '', ...others } = Object.fromEntries(form)
    expect(others).toEqual({
      grant_type: 'client_credentials',
      client_id: 'app',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    })
    const { payload } = await jwtVerify(assertion, verifier, {
      issuer: 'app',
      subject: 'app',
      audience: 'https://login.example/',
      typ: 'client-authentication+jwt',
    })
    const { jti, iat = 0, exp = 0, ...claims } = payload
    expect(claims).toEqual({ iss: 'app', sub: 'app', aud: 'https://login.example/' })
    expect(exp - iat).toBeLessThanOrEqual(65)
    expect(exp).toBeGreaterThan(startedAtSeconds + 30)
    // A server whose clock is slow must not see an iat in the future.
    expect(iat).toBeLessThanOrEqual(Math.floor(Date.now() / 1000) - 5)
    expect(iat).toBeGreaterThan(startedAtSeconds - 30)
    ids.add(jti)
  }
  expect(ids.size).toBe(2)
  expect(ids).not.toContain(undefined)
})

function assertionFromFile(file: string): string {
  return `
clientId: app
auth: { method: client_assertion_file, file: '${file}' }`
}

/** An assertion for the client "app" that the sidecar did not create. */
async function createAssertion({ privateKey }: SigningKey, audience: string): Promise<string> {
  return await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer('app')
    .setSubject('app')
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(privateKey)
}

test('oidc-provider accepts an assertion from a file, and rejects one by an unregistered key', async () => {
  const key = createSigningKey('ES256')
  const issuer = await startKeyIssuer(key)
  const good = await createAssertion(key, issuer.issuer)
  expect(await outcomeOf(issuer, assertionFromFile(await fileWith(`${good}\n`)))).toMatchObject(
    ACCEPTED,
  )
  const bad = await createAssertion(createSigningKey('ES256'), issuer.issuer)
  expect(await outcomeOf(issuer, assertionFromFile(await fileWith(bad)))).toMatchObject(REJECTED)
})

test('a rotated assertion file is used by the next token request', async () => {
  const file = await fileWith('header.one.signature\n')
  const endpoint = await startTokenEndpoint((_request, res) => {
    if (endpoint.requests.length === 1) {
      writeFileSync(file, 'header.two.signature\n')
      res.writeHead(503).end()
    } else sendToken(res)
  })
  await callWith(`
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: client_assertion_file, file: '${file}' }`)
  await until(() => endpoint.requests.length === 2)
  const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  expect(Object.fromEntries(formOf(endpoint, 0))).toEqual({
    grant_type: 'client_credentials',
    client_id: 'app',
    client_assertion_type: assertionType,
    client_assertion: 'header.one.signature',
  })
  expect(formOf(endpoint, 1).get('client_assertion')).toBe('header.two.signature')
})

test('an assertion file without clientId is sent without client_id', async () => {
  const file = await fileWith('header.one.signature')
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  await callWith(`
tokenEndpoint: ${endpoint.url}
auth: { method: client_assertion_file, file: '${file}' }
grant: { type: token_exchange, subjectToken: { file: '${file}' } }`)
  expect(formOf(endpoint).has('client_assertion')).toBe(true)
  expect(formOf(endpoint).has('client_id')).toBe(false)
})

test('oidc-provider accepts a public client, and rejects an unknown client_id', async () => {
  const issuer = await startProvider({
    clients: [machineClient({ client_id: 'app', token_endpoint_auth_method: 'none' })],
  })
  expect(await outcomeOf(issuer, 'clientId: app\nauth: { method: none }')).toMatchObject(ACCEPTED)
  expect(await outcomeOf(issuer, 'clientId: unknown\nauth: { method: none }')).toMatchObject(
    REJECTED,
  )
})

test('a public client sends no client authentication', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  await callWith(`tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }`)
  expect(endpoint.requests[0]?.headers.authorization).toBeUndefined()
  expect(Object.fromEntries(formOf(endpoint))).toEqual({
    grant_type: 'client_credentials',
    client_id: 'app',
  })
})

test.for([
  { what: 'of another algorithm', found: createSigningKey('RS256').text('encrypted PKCS#8') },
  { what: 'with another passphrase', found: keyWithAnotherPassphrase() },
  {
    what: 'that is truncated',
    found: createSigningKey('ES256').text('PKCS#8').slice(0, 99),
  },
  { what: 'that is empty', found: '' },
])('a signing key $what is reported, and no token request is sent', async ({ found }) => {
  const file = await fileWith(createSigningKey('ES256').text('encrypted PKCS#8'))
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: private_key_jwt, key: { file: '${file}' }, passphrase: { env: WORD }, algorithm: ES256 }
prefetch: false`,
      'http://127.0.0.1:1',
    ),
    { WORD: PASSPHRASE },
  )
  // The file is replaced after the start, because the sidecar does not start with an invalid key.
  await writeFile(file, found)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({
    code: 'token_unavailable',
    detail:
      'Cannot use the private key: it is not a PEM or JWK for ES256, or its passphrase is wrong',
  })
  expect(endpoint.requests).toHaveLength(0)
})

function keyWithAnotherPassphrase(): string {
  const encryption = { cipher: 'aes-256-cbc', passphrase: 'another' }
  return createSigningKey('ES256').privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    ...encryption,
  })
}

test('configured assertion header parameters take precedence', async () => {
  const key = createSigningKey('EdDSA')
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  await callWith(
    `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: private_key_jwt, key: { env: KEY }, algorithm: EdDSA, header: { typ: JWT } }`,
    { KEY: key.text('PKCS#8') },
  )
  const assertion = formOf(endpoint).get('client_assertion') ?? ''
  expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'EdDSA', typ: 'JWT' })
})
