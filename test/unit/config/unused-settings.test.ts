import { expect, test } from 'vitest'
import { faultsOf, type Given, problemsOf } from '../../helpers/problems.ts'
import { createSigningKey } from '../../helpers/signing-keys.ts'

const ENVIRONMENT = { files: { 'ec.pem': createSigningKey('ES256').text('PKCS#8'), 'ca.pem': 'x' } }
const NO_TOKEN = 'expected a credential other than "none" beside it'
const REPLACED = 'expected nothing, because "tokenEndpoint" replaces the address'
const KEY = { key: { file: 'ec.pem' }, algorithm: 'ES256' }

/** Settings without effect, and the beginning of their problems. */
const UNUSED: readonly (Given & { readonly what: string; readonly faults: readonly string[] })[] = [
  {
    what: 'settings of the token of a route without a token',
    route: {
      credential: 'none',
      inject: { prefix: 'Token' },
      existingAuthorization: 'keep',
      replay: { enabled: false },
      readiness: false,
      timeouts: { token: '1s', connect: '1s' },
      allowPlaintext: true,
    },
    faults: [
      `routes[0].inject: ${NO_TOKEN}`,
      `routes[0].existingAuthorization: ${NO_TOKEN}`,
      `routes[0].replay: ${NO_TOKEN}`,
      `routes[0].readiness: ${NO_TOKEN}`,
      `routes[0].timeouts.token: ${NO_TOKEN}`,
      `routes[0].allowPlaintext: ${NO_TOKEN}`,
    ],
  },
  {
    what: 'TLS to an upstream without TLS',
    route: { upstream: 'http://localhost:3000', tls: { serverName: 'a.example' } },
    faults: ['routes[0].tls: expected an "https:" URL as "upstream"'],
  },
  {
    what: 'TLS to a token endpoint without TLS',
    credential: { tokenEndpoint: 'http://localhost:3000', tls: { serverName: 'a.example' } },
    faults: ['credentials.corp.tls: expected an "https:" URL as "tokenEndpoint"'],
  },
  {
    what: 'the largest body for a replay that is disabled',
    route: { replay: { enabled: false, maxBody: '1KiB' } },
    faults: ['routes[0].replay.maxBody: expected "enabled: true" beside it'],
  },
  {
    what: 'readiness for a token that is not fetched at start-up',
    credential: { prefetch: false },
    route: { readiness: true },
    faults: ['routes[0].readiness: expected "prefetch: true" of the credential'],
  },
  {
    what: 'interception without a route that names a host',
    top: { intercept: { ca: { directory: 'ca' } } },
    faults: ['intercept: expected a route with "match.host"'],
  },
  {
    what: 'removing a header that is set',
    route: { headers: { set: { 'X-A': 'a' }, remove: ['x-a'] } },
    faults: ['routes[0].headers.remove[0]: expected another header than those of "headers.set"'],
  },
  {
    what: 'removing the header that carries the token',
    route: { headers: { remove: ['authorization'] } },
    faults: ['routes[0].headers.remove[0]: expected another header than the one that carries'],
  },
  {
    what: 'removing the header that carries the token, by another name',
    route: { inject: { header: 'X-Token' }, headers: { remove: ['x-token', 'Authorization'] } },
    faults: ['routes[0].headers.remove[0]: expected another header than the one that carries'],
  },
  {
    what: 'a header of a route in two spellings',
    route: { headers: { set: { 'X-A': 'a', 'x-a': 'b' } } },
    faults: ['routes[0].headers.set.x-a: expected each header once'],
  },
  {
    what: 'a header of the token request in two spellings',
    credential: { headers: { 'X-A': 'a', 'x-a': 'b' } },
    faults: ['credentials.corp.headers.x-a: expected each header once'],
  },
  {
    what: 'log.sample with the access log off',
    top: { log: { access: 'off', sample: 0.5 } },
    faults: ['log.sample: expected "access: on" beside it'],
  },
  ...(['scopes', 'audience', 'resource'] as const).flatMap((setting) => {
    const name = setting === 'scopes' ? 'scope' : setting
    const list = ['https://a.example/']
    return [
      {
        what: `the parameter ${name} beside "${setting}"`,
        credential: { [setting]: list, parameters: { [name]: 'b' } },
        faults: [
          `credentials.corp.parameters.${name}: expected a parameter that "${setting}" does not set`,
        ],
      },
      {
        what: `the parameter ${name} beside "${setting}" of a route`,
        credential: { parameters: { [name]: 'b' } },
        route: { [setting]: list },
        faults: [
          `credentials.corp.parameters.${name}: expected a parameter that "routes[0].${setting}" does not set`,
        ],
      },
    ]
  }),
  {
    what: 'a claim "scope" where Google gets the scopes as that claim',
    credential: {
      tokenEndpoint: undefined,
      provider: { name: 'google' },
      auth: { method: 'none' },
      grant: { type: 'jwt_bearer', ...KEY, claims: { scope: 'a' } },
      scopes: ['b'],
    },
    faults: ['credentials.corp.grant.claims.scope: expected a claim that "scopes" does not set'],
  },
  {
    what: 'the header member "kid" beside "keyId"',
    credential: { auth: { method: 'private_key_jwt', ...KEY, keyId: 'a', header: { kid: 'b' } } },
    faults: ['credentials.corp.auth.header.kid: expected a member that "keyId" does not set'],
  },
  {
    what: 'a tenant beside the token endpoint',
    credential: { provider: { name: 'entra', tenant: 'a' } },
    faults: [`credentials.corp.provider.tenant: ${REPLACED}`],
  },
  {
    what: 'a domain and an authorization server beside the issuer',
    credential: {
      tokenEndpoint: undefined,
      issuer: 'https://login.example.com',
      provider: { name: 'okta', domain: 'a.example', authorizationServer: 'b' },
    },
    faults: [
      'credentials.corp.provider.domain: expected nothing, because "issuer" replaces',
      'credentials.corp.provider.authorizationServer: expected nothing, because "issuer" replaces',
    ],
  },
  {
    what: 'the sandbox of eBay beside the token endpoint',
    credential: { provider: { name: 'ebay', sandbox: true } },
    faults: [`credentials.corp.provider.sandbox: ${REPLACED}`],
  },
  {
    what: 'a provider without its address',
    credential: { tokenEndpoint: undefined, provider: { name: 'keycloak' } },
    faults: [
      'credentials.corp.provider.url: expected the part of the address that "keycloak" needs, got nothing',
      'credentials.corp.provider.realm: expected the part of the address that "keycloak" needs, got nothing',
    ],
  },
]

test.for(UNUSED)('$what: rejected', async ({ what: _what, faults, ...given }) => {
  const starts = faults.map((fault) =>
    expect.stringMatching(new RegExp(`^${RegExp.escape(fault)}`)),
  )
  expect(await faultsOf(given, ENVIRONMENT)).toEqual(starts)
})

const USED: readonly (Given & { readonly what: string })[] = [
  {
    what: 'settings of a route without a token that do not concern tokens',
    route: { credential: 'none', timeouts: { connect: '1s' }, retry: false, inject: {}, tls: {} },
  },
  { what: 'an empty map for TLS', route: { upstream: 'http://localhost:3000', tls: {} } },
  {
    what: 'a realm that makes up the audience of assertions, beside the token endpoint',
    credential: {
      provider: { name: 'keycloak', url: 'https://a.example', realm: 'b' },
      auth: { method: 'private_key_jwt', ...KEY },
    },
  },
  {
    what: 'a claim "scope" beside scopes that are sent as a parameter',
    credential: {
      auth: { method: 'none' },
      grant: { type: 'jwt_bearer', ...KEY, claims: { scope: 'a' } },
      scopes: ['b'],
    },
  },
  {
    what: 'removing Authorization where the token goes elsewhere',
    route: { inject: { header: 'X-Token' }, headers: { remove: ['Authorization'] } },
  },
]

test.for(USED)('$what: accepted', async ({ what: _what, ...given }) => {
  expect(await faultsOf(given, ENVIRONMENT)).toEqual([])
})

const DEFAULTS = `defaults:
  credentials: { parameters: { scope: a } }
  routes:
    scopes: [a]
    audience: b
    resource: https://c.example/
    inject: { header: X-Token }
    existingAuthorization: keep
    replay: { maxBody: 1KiB }
    readiness: false
    timeouts: { token: 1s }
    allowPlaintext: true
    tls: { serverName: a.example }
credentials:
  corp: { issuer: https://login.example.com, clientId: a, auth: { clientSecret: { env: SECRET } } }
routes:
  - { name: one, match: { path: /one }, upstream: 'https://a.example', credential: corp }
  - { name: two, match: { path: /two }, upstream: 'http://a.example', credential: none }
`

test('a default that does not apply to a route or a credential is ignored', async () => {
  expect(await problemsOf(DEFAULTS, { env: { SECRET: 's' } })).toEqual([])
})

test('a setting of a route without effect is reported, even if the defaults have the same map', async () => {
  const text = DEFAULTS.replace('credential: none', 'credential: none, inject: { prefix: Token }')
  expect(await problemsOf(text, { env: { SECRET: 's' } })).toEqual([
    expect.stringMatching(/^18:\d+ routes\[1\]\.inject: expected a credential other than "none"/),
  ])
})
