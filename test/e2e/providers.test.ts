import { decodeJwt, decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { presetOf } from '../../src/compose/provider-presets.ts'
import type { CredentialConfig } from '../../src/config/credential-schema.ts'
import { callWith, credentialConfig } from '../helpers/credential-call.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { createSigningKey, KEY_ID } from '../helpers/signing-keys.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

type DocumentedEndpoint = {
  readonly provider: NonNullable<CredentialConfig['provider']>
  readonly issuer: string
  readonly tokenEndpoint: string
}

const DOCUMENTED_ENDPOINTS: readonly DocumentedEndpoint[] = [
  {
    provider: { name: 'entra', tenant: 'contoso.example' },
    issuer: 'https://login.microsoftonline.com/contoso.example/v2.0',
    tokenEndpoint: 'https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token',
  },
  {
    provider: { name: 'okta', domain: 'example.okta.com', authorizationServer: 'default' },
    issuer: 'https://example.okta.com/oauth2/default',
    tokenEndpoint: 'https://example.okta.com/oauth2/default/v1/token',
  },
  {
    provider: { name: 'okta', domain: 'example.okta.com', authorizationServer: 'aus1' },
    issuer: 'https://example.okta.com/oauth2/aus1',
    tokenEndpoint: 'https://example.okta.com/oauth2/aus1/v1/token',
  },
  {
    provider: { name: 'auth0', domain: 'example.eu.auth0.com' },
    // Auth0 compares issuers as strings, including the trailing slash.
    issuer: 'https://example.eu.auth0.com/',
    tokenEndpoint: 'https://example.eu.auth0.com/oauth/token',
  },
  {
    provider: { name: 'cognito', domain: 'example.auth.eu-central-1.amazoncognito.com' },
    issuer: 'https://example.auth.eu-central-1.amazoncognito.com',
    tokenEndpoint: 'https://example.auth.eu-central-1.amazoncognito.com/oauth2/token',
  },
  {
    provider: { name: 'keycloak', url: 'https://keycloak.example', realm: 'corp' },
    issuer: 'https://keycloak.example/realms/corp',
    tokenEndpoint: 'https://keycloak.example/realms/corp/protocol/openid-connect/token',
  },
  {
    provider: { name: 'keycloak', url: 'https://keycloak.example/auth/', realm: 'my corp' },
    issuer: 'https://keycloak.example/auth/realms/my%20corp',
    tokenEndpoint: 'https://keycloak.example/auth/realms/my%20corp/protocol/openid-connect/token',
  },
  {
    provider: { name: 'ping', environment: 'e-1', region: 'com' },
    issuer: 'https://auth.pingone.com/e-1/as',
    tokenEndpoint: 'https://auth.pingone.com/e-1/as/token',
  },
  {
    provider: { name: 'ping', environment: 'e-1', region: 'com.au' },
    issuer: 'https://auth.pingone.com.au/e-1/as',
    tokenEndpoint: 'https://auth.pingone.com.au/e-1/as/token',
  },
  {
    provider: { name: 'google' },
    issuer: 'https://accounts.google.com',
    tokenEndpoint: 'https://oauth2.googleapis.com/token',
  },
  {
    provider: { name: 'ebay', sandbox: false },
    issuer: 'https://api.ebay.com',
    tokenEndpoint: 'https://api.ebay.com/identity/v1/oauth2/token',
  },
  {
    provider: { name: 'ebay', sandbox: true },
    issuer: 'https://api.sandbox.ebay.com',
    tokenEndpoint: 'https://api.sandbox.ebay.com/identity/v1/oauth2/token',
  },
  {
    provider: { name: 'shopify', shop: 'example' },
    issuer: 'https://example.myshopify.com',
    tokenEndpoint: 'https://example.myshopify.com/admin/oauth/access_token',
  },
  {
    provider: { name: 'linkedin' },
    issuer: 'https://www.linkedin.com',
    tokenEndpoint: 'https://www.linkedin.com/oauth/v2/accessToken',
  },
]

test.for(DOCUMENTED_ENDPOINTS)(
  'the preset of $provider.name has the documented token endpoint: $tokenEndpoint',
  (documented) => {
    const { provider, ...expected } = documented
    expect(presetOf({ provider })).toMatchObject(expected)
  },
)

test('without a provider no preset applies', () => {
  expect(presetOf({ provider: undefined })).toEqual({})
})

test.for([
  { given: 'https://graph.microsoft.com', sent: 'https://graph.microsoft.com/.default' },
  { given: 'https://graph.microsoft.com/', sent: 'https://graph.microsoft.com/.default' },
  { given: 'https://graph.microsoft.com/.default', sent: 'https://graph.microsoft.com/.default' },
  { given: 'api://orders', sent: 'api://orders/.default' },
])('the preset for Entra sends the scope $given as $sent', ({ given, sent }) => {
  expect(presetOf({ provider: { name: 'entra', tenant: 't' } }).scope?.(given)).toBe(sent)
})

const key = createSigningKey('RS256')
const env = { SECRET: 's', KEY: key.text('JWK') }

/** The token request of a credential with these settings and a local token endpoint. */
async function tokenRequestOf(lines: string) {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const credential = `tokenEndpoint: ${endpoint.url}\n${lines}`
  await startSidecar(credentialConfig(credential, 'http://127.0.0.1:1'), env)
  await until(() => endpoint.requests.length > 0)
  const [request] = endpoint.requests
  const fields = [...new URLSearchParams(request?.body)]
  const assertion = fields.find(([name]) => name.endsWith('assertion'))?.[1]
  return {
    url: endpoint.url,
    authorization: request?.headers.authorization,
    contentType: request?.headers['content-type'],
    fields: fields.map(([name, value]) => [name, value === assertion ? 'JWT' : value]),
    header: assertion && decodeProtectedHeader(assertion),
    claims: assertion && decodeJwt(assertion),
  }
}

const BASIC = `Basic ${Buffer.from('app:s').toString('base64')}`
const BY_SECRET = 'clientId: app\nauth: { clientSecret: { env: SECRET } }'
const CLIENT_CREDENTIALS = ['grant_type', 'client_credentials']

const BY_SECRET_CASES = [
  {
    what: 'Entra',
    lines: 'provider: { name: entra }\nscopes: [api://orders]',
    fields: [['scope', 'api://orders/.default'], CLIENT_CREDENTIALS],
  },
  {
    what: 'Okta',
    lines: 'provider: { name: okta }\nscopes: [orders.read, orders.write]',
    fields: [['scope', 'orders.read orders.write'], CLIENT_CREDENTIALS],
  },
  {
    what: 'Auth0',
    lines: 'provider: { name: auth0 }\naudience: https://orders.example/',
    fields: [['audience', 'https://orders.example/'], CLIENT_CREDENTIALS],
  },
  {
    what: 'Cognito',
    lines: 'provider: { name: cognito }\nscopes: [orders/read]',
    fields: [['scope', 'orders/read'], CLIENT_CREDENTIALS],
  },
  {
    what: 'Keycloak',
    lines: `provider: { name: keycloak }`,
    fields: [CLIENT_CREDENTIALS],
  },
  {
    what: 'PingOne',
    lines: 'provider: { name: ping }\nscopes: [orders.read]',
    fields: [['scope', 'orders.read'], CLIENT_CREDENTIALS],
  },
]

test.for(BY_SECRET_CASES)(
  'the token request to $what with a secret has the documented form',
  async ({ lines, fields }) => {
    const request = await tokenRequestOf(`${lines}\n${BY_SECRET}`)
    expect(request).toMatchObject({
      authorization: BASIC,
      contentType: 'application/x-www-form-urlencoded',
      claims: undefined,
    })
    expect(request.fields).toEqual(fields)
  },
)

test('the presets for Cognito and Auth0 support client_secret_post', async () => {
  for (const provider of [
    'provider: { name: cognito }',
    'provider: { name: auth0 }\naudience: https://orders.example/',
  ]) {
    const { authorization, fields } = await tokenRequestOf(
      `${provider}
clientId: app
auth: { method: client_secret_post, clientSecret: { env: SECRET } }`,
    )
    expect(authorization).toBeUndefined()
    expect(fields.filter(([name]) => name !== 'audience')).toEqual([
      CLIENT_CREDENTIALS,
      ['client_id', 'app'],
      ['client_secret', 's'],
    ])
  }
})

const ASSERTION_FIELDS = [
  CLIENT_CREDENTIALS,
  ['client_id', 'app'],
  ['client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
  ['client_assertion', 'JWT'],
]

const BY_KEY_CASES = [
  {
    what: 'Entra',
    lines: 'provider: { name: entra }\nscopes: [api://orders]',
    more: [['scope', 'api://orders/.default']],
    typ: 'JWT',
    audience: undefined,
  },
  {
    what: 'Okta',
    lines: 'provider: { name: okta }\nscopes: [orders.read]',
    more: [['scope', 'orders.read']],
    typ: 'JWT',
    audience: undefined,
  },
  {
    what: 'Auth0',
    lines:
      'provider: { name: auth0, domain: example.auth0.com }\naudience: https://orders.example/',
    more: [['audience', 'https://orders.example/']],
    typ: 'JWT',
    audience: 'https://example.auth0.com/',
  },
  {
    what: 'Keycloak',
    lines: `provider: { name: keycloak, url: 'https://keycloak.example', realm: corp }`,
    more: [],
    typ: 'JWT',
    audience: 'https://keycloak.example/realms/corp',
  },
  {
    what: 'PingOne',
    lines: 'provider: { name: ping, environment: e-1 }',
    more: [],
    typ: 'JWT',
    audience: 'https://auth.pingone.com/e-1/as',
  },
  {
    what: 'a server without a preset',
    lines: '',
    more: [],
    typ: 'client-authentication+jwt',
    audience: undefined,
  },
]

/** Where `audience` is undefined, the token endpoint is expected. */
test.for(BY_KEY_CASES)(
  'the token request to $what with a key has the documented form',
  async (given) => {
    const { lines, more, typ, audience } = given
    const request = await tokenRequestOf(
      `${lines}\nclientId: app\nauth: { method: private_key_jwt, key: { env: KEY } }`,
    )
    expect(request.authorization).toBeUndefined()
    expect(request.fields).toEqual([...more, ...ASSERTION_FIELDS])
    expect(request.header).toEqual({ alg: 'RS256', typ, kid: KEY_ID })
    expect(request.claims).toMatchObject({
      iss: 'app',
      sub: 'app',
      aud: audience ?? request.url,
    })
  },
)

test('configured settings take precedence over a preset', async () => {
  const request = await tokenRequestOf(`
provider: { name: entra }
clientId: app
auth:
  method: private_key_jwt
  key: { env: KEY }
  audience: https://other.example/
  header: { x5t#S256: thumb-print, typ: other }`)
  expect(request.claims).toMatchObject({ aud: 'https://other.example/' })
  expect(request.header).toMatchObject({ 'x5t#S256': 'thumb-print', typ: 'other' })
})

test('the preset for Google sends the scopes in the assertion, and no other parameter', async () => {
  const request = await tokenRequestOf(`
provider: { name: google }
auth: { method: none }
grant: { type: jwt_bearer, key: { env: KEY }, issuer: robot@project.example }
scopes: [https://www.googleapis.com/auth/cloud-platform, openid]`)
  expect(request.authorization).toBeUndefined()
  expect(request.fields).toEqual([
    ['assertion', 'JWT'],
    ['grant_type', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
  ])
  expect(request.header).toEqual({ alg: 'RS256', typ: 'JWT', kid: KEY_ID })
  expect(request.claims).toMatchObject({
    iss: 'robot@project.example',
    sub: 'robot@project.example',
    aud: request.url,
    scope: 'https://www.googleapis.com/auth/cloud-platform openid',
  })
})

test.for([
  { provider: '{ name: ebay }', token_type: 'Application Access Token' },
  { provider: '{ name: apigee }', token_type: 'BearerToken' },
  { provider: '{ name: shopify }', token_type: undefined },
  { provider: '{ name: linkedin }', token_type: undefined },
])('the token_type $token_type of $provider is accepted', async ({ provider, token_type }) => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res, { token_type }))
  const { status, body } = await callWith(`
provider: ${provider}
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { clientSecret: { value: secret } }`)
  expect({ status, body }).toEqual({ status: 200, body: 'Bearer a-token' })
})
