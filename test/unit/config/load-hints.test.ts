import { expect, test } from 'vitest'
import { faultsOf, type Given, problemsOf, warningsOf } from '../../helpers/problems.ts'

const BASIC = { clientSecret: { env: 'CORP_SECRET' } }
const KEY = { env: 'CORP_SECRET' }

/** The exact problem of an otherwise valid configuration. */
const HINTS: readonly (Given & { readonly what: string; readonly fault: string })[] = [
  {
    what: 'a client secret as a string',
    credential: { auth: { clientSecret: 'hunter2' } },
    fault:
      'credentials.corp.auth.clientSecret: expected a map, got a string; write where it is stored: { file: … } or { env: … }',
  },
  {
    what: 'a passphrase as a number',
    credential: { auth: { method: 'private_key_jwt', key: { value: 'x' }, passphrase: 4711 } },
    fault:
      'credentials.corp.auth.passphrase: expected a map; write where it is stored: { file: … } or { env: … }',
  },
  {
    what: 'a subject token as a list',
    credential: { grant: { type: 'token_exchange', subjectToken: ['hunter2'] } },
    fault:
      'credentials.corp.grant.subjectToken: expected a map, got a list; write where it is stored: { file: … } or { env: … }',
  },
  {
    what: 'a certificate as a string',
    route: { tls: { ca: '/etc/ssl/ca.pem' } },
    fault: 'routes[0].tls.ca: expected a map, got a string; write { file: … }',
  },
  {
    what: 'a match as a path',
    route: { match: '/orders' },
    fault: 'routes[0].match: expected a map, got a string; write a map of host, path, methods',
  },
  {
    what: 'authentication as a string',
    credential: { auth: 'hunter2' },
    fault:
      'credentials.corp.auth: expected a map, got a string; write a map of method, clientSecret, encoding',
  },
  {
    what: 'one scope without brackets',
    credential: { scopes: 'orders.read' },
    fault: 'credentials.corp.scopes: expected a list, got a string; write [orders.read]',
  },
  {
    what: 'several scopes in one string',
    route: { scopes: 'orders.read orders.write' },
    fault: 'routes[0].scopes: expected a list, got a string; write [orders.read, orders.write]',
  },
  {
    what: 'one method without brackets',
    route: { match: { path: '/', methods: 'GET' } },
    fault: 'routes[0].match.methods: expected a list, got a string; write [GET]',
  },
  {
    what: 'one header to remove without brackets',
    route: { headers: { remove: 'X-Debug' } },
    fault: 'routes[0].headers.remove: expected a list, got a string; write […]',
  },
  {
    what: 'one origin without brackets',
    top: { access: { origins: 'http://localhost:3000' } },
    fault: 'access.origins: expected a list, got a string; write [http://localhost:3000]',
  },
  {
    what: 'a list instead of a string',
    credential: { clientId: ['a'] },
    fault: 'credentials.corp.clientId: expected a string, got a list; write it without brackets',
  },
  {
    what: 'routes as a map',
    top: { routes: { name: 'a' } },
    fault: 'routes: expected a list, got a map; begin each item with "- "',
  },
  {
    what: 'a boolean in quotes',
    route: { retry: 'true' },
    fault: 'routes[0].retry: expected true or false, got "true"; write it without quotes',
  },
  {
    what: '"off" for a boolean',
    route: { retry: 'off' },
    fault:
      'routes[0].retry: expected true or false, got "off"; YAML 1.2 has only true and false: write false',
  },
  {
    what: 'an audience for a method that has none',
    credential: { auth: { ...BASIC, audience: 'issuer' } },
    fault:
      'credentials.corp.auth: unknown key "audience"; only with method client_secret_jwt or private_key_jwt; it belongs in "credentials.corp"',
  },
  {
    what: 'a key of another grant',
    credential: { grant: { type: 'jwt_bearer', key: KEY, subjectToken: KEY } },
    fault: 'credentials.corp.grant: unknown key "subjectToken"; only with type token_exchange',
  },
  {
    what: 'a key of another provider',
    credential: { tokenEndpoint: undefined, provider: { name: 'google', realm: 'x' } },
    fault: 'credentials.corp.provider: unknown key "realm"; only with name keycloak',
  },
  {
    what: 'a client secret one level too high',
    credential: { clientSecret: { env: 'CORP_SECRET' } },
    fault: 'credentials.corp: unknown key "clientSecret"; it belongs in "credentials.corp.auth"',
  },
  {
    what: 'a setting of a route at the top',
    top: { keepPath: true },
    fault: 'unknown key "keepPath"; it belongs in routes[]',
  },
  {
    what: 'an unknown key that may be a secret',
    top: { colour: 'red' },
    fault:
      'unknown key; expected one of listen, admin, credentials, routes, tokenStore, forward, intercept, access, via, limits, log, shutdown, defaults',
  },
  {
    what: 'a secret as an unknown key',
    top: { hunter2canary: 'red' },
    fault:
      'unknown key; expected one of listen, admin, credentials, routes, tokenStore, forward, intercept, access, via, limits, log, shutdown, defaults',
  },
  {
    what: 'a key for anchors within a route',
    route: { 'x-common': {} },
    fault:
      'routes[0]: unknown key "x-common"; keys that start with "x-" are for the top of the file',
  },
]

test.for(HINTS)('the problem of $what says what to write instead', async ({ fault, ...given }) => {
  const faults = await faultsOf(given)
  expect(faults).toContain(fault)
  expect(faults.join('\n')).not.toContain('hunter2')
})

const ROUTE = `
  - name: all
    match: { path: / }
    upstream: https://api.example.com
    credential: none
`

test.for([
  ['12345', 'the number 12345', '"12345"'],
  ['0123', 'the number 0123', '"0123"'],
  ['0x1F', 'the number 0x1F', '"0x1F"'],
  ['0o17', 'the number 0o17', '"0o17"'],
  ['1.0', 'the number 1.0', '"1.0"'],
  ['true', 'the boolean true', '"true"'],
  ['null', 'nothing', '"null"'],
  ['.inf', 'the number .inf', '".inf"'],
] as const)(
  'the problem of the client identifier %s, which YAML parses as %s, suggests quotes',
  async ([text, what, quoted]) => {
    const config = `credentials:
  corp: { issuer: https://a.example, clientId: ${text}, auth: { method: none } }
routes:${ROUTE.replace('none', 'corp')}`
    expect(await problemsOf(config)).toEqual([
      `2:48 credentials.corp.clientId: expected a string, got ${what}; put it in quotes: ${quoted}`,
    ])
  },
)

test('the problem of a secret that YAML parses as a number suggests quotes, and does not contain it', async () => {
  const auth = { clientSecret: { value: 4711 } }
  expect(await faultsOf({ credential: { auth } })).toEqual([
    'credentials.corp.auth.clientSecret.value: expected a string; put it in quotes',
  ])
})

test.for([
  [
    'CORP_URL',
    'expected the environment variable CORP_URL to be set, or a default as in "${CORP_URL:-default}"',
  ],
  [
    'CORP_SECRT',
    'expected the environment variable CORP_SECRT to be set, or a default as in "${CORP_SECRT:-default}"; did you mean "CORP_SECRET"?',
  ],
  [
    'hunter2canary',
    'expected the name of an environment variable that is set, or a default as in "${NAME:-default}"',
  ],
  [
    'HUNTER2',
    'expected the name of an environment variable that is set, or a default as in "${NAME:-default}"',
  ],
] as const)(
  'the problem of the unset variable ${%s} contains its name only if that cannot be a secret',
  async ([name, message]) => {
    const problems = await problemsOf(`listen: "\${${name}}"\nroutes:${ROUTE}`, {
      env: { CORP_SECRET: 's' },
    })
    expect(problems).toEqual([`1:9 ${message}`])
  },
)

test('the problem of a duplicate key contains the key and the line of its first occurrence', async () => {
  expect(await problemsOf(`log: {}\nroutes:${ROUTE}log: {}\n`)).toEqual([
    '7:1 expected each key once; "log" is also on line 1',
  ])
})

test('a merge key is reported as unsupported, and the keys that it would merge are not reported as missing', async () => {
  const config = `x-route: &common
  upstream: https://api.example.com
  credential: none
routes:
  - <<: *common
    name: all
    match: { path: / }
`
  expect(await problemsOf(config)).toEqual([
    '5:5 expected no merge key: YAML 1.2 does not have "<<"; use "defaults" for what routes or credentials have in common',
  ])
})

test('a merge key with several maps is one problem, and a quoted "<<" is a plain string', async () => {
  const config = `x-a: &a { upstream: https://api.example.com }
x-b: &b { credential: none }
routes:
  - { <<: [*a, *b], name: all, match: { path: / }, headers: { set: { X-A: '<<' } } }
`
  expect(await problemsOf(config)).toEqual([expect.stringContaining('4:7 expected no merge key')])
})

const SECRET_AT = 'credentials.corp.auth.clientSecret'

const secretAt = (place: string) => `credentials:
  corp:
    issuer: https://login.example.com
    clientId: a
    auth: { clientSecret: ${place} }
routes:${ROUTE.replace('none', 'corp')}`

test.for([
  [' s3cret', 'begins'],
  ['s3cret ', 'ends'],
  [' s3cret ', 'begins and ends'],
] as const)('the secret %j, which %s with whitespace, causes a warning', async ([secret, how]) => {
  const message = `the secret ${how} with whitespace`
  const files = { secret: `${secret}\n` }
  expect(await warningsOf(secretAt('{ file: secret }'), { files })).toEqual([
    `5:35 ${SECRET_AT}.file: ${message}`,
  ])
  expect(await warningsOf(secretAt('{ env: SECRET }'), { env: { SECRET: secret } })).toEqual([
    `5:34 ${SECRET_AT}.env: ${message}`,
  ])
})

test.for(['0.0.0.0:8080', '"[::]:8080"', '"0:8080"', '192.168.1.7:8080', '"[2001:db8::1]:8080"'])(
  'listen: %s causes a warning, because other hosts can reach it',
  async (listen) => {
    expect(await warningsOf(`listen: ${listen}\nroutes:${ROUTE}`)).toEqual([
      expect.stringMatching(
        /^1:9 listen: every machine that can connect to this address can use the tokens/,
      ),
    ])
  },
)

test.for(['0.0.0.0:9090', '"[::]:9090"', '192.168.1.7:9090'])(
  'admin: %s causes a warning, because other hosts can reach it',
  async (admin) => {
    expect(await warningsOf(`admin: ${admin}\nroutes:${ROUTE}`)).toEqual([
      expect.stringMatching(/^1:8 admin: every machine that can connect to this address can read/),
    ])
  },
)

test.for(['127.0.0.1:9090', '"[::1]:9090"', 'localhost:9090', 'unix:/run/a.sock'])(
  'admin: %s causes no warning',
  async (admin) => {
    expect(await warningsOf(`admin: ${admin}\nroutes:${ROUTE}`)).toEqual([])
  },
)

test.for([
  '127.0.0.1:8080',
  '127.0.0.7:8080',
  '"[::1]:8080"',
  'localhost:8080',
  'unix:/run/a.sock',
])('listen: %s causes no warning', async (listen) => {
  expect(await warningsOf(`listen: ${listen}\nroutes:${ROUTE}`)).toEqual([])
})

const USERS = 'auth: { basic: [{ username: a, password: { env: P } }] }'

test.for([
  {
    listen: `{ address: '0.0.0.0:8080', ${USERS} }`,
    warning: /^1:20 listen\.address: passwords are sent to this address unencrypted/,
  },
  {
    listen: `[{ address: '127.0.0.1:8080', ${USERS.replace('{ env: P }', '{ value: p }')} }]`,
    warning:
      /^1:\d+ listen\[0\]\.auth\.basic\[0\]\.password\.value: the password is part of the configuration file/,
  },
])('listen: $listen causes a warning about its passwords', async ({ listen, warning }) => {
  expect(await warningsOf(`listen: ${listen}\nroutes:${ROUTE}`, { env: { P: 'p' } })).toEqual([
    expect.stringMatching(warning),
  ])
})

test('a listener with a password on the loopback address causes no warning', async () => {
  const text = `listen: { address: '127.0.0.1:8080', ${USERS} }\nroutes:${ROUTE}`
  expect(await warningsOf(text, { env: { P: 'p' } })).toEqual([])
})

function clientConfig(clientId: string): string {
  return `credentials:
  corp: { issuer: https://a.example, clientId: ${clientId}, auth: { method: none } }
routes:${ROUTE.replace('none', 'corp')}`
}

test('a client identifier that looks like a shell variable causes a warning', async () => {
  expect(await warningsOf(clientConfig('$CLIENT_ID'))).toEqual([
    '2:48 credentials.corp.clientId: the text is used as it is; a variable is written "${NAME}"',
  ])
})

test('a path with "*" causes a warning', async () => {
  expect(await warningsOf(`routes:${ROUTE.replace('path: /', 'path: /orders/*')}`)).toEqual([
    '3:20 routes[0].match.path: "*" stands for itself; a path matches everything below it without one',
  ])
})

test('a client identifier with leading whitespace causes a warning that does not contain it', async () => {
  expect(await warningsOf(clientConfig('" hunter2"'))).toEqual([
    '2:48 credentials.corp.clientId: the text begins or ends with whitespace, which is not ignored',
  ])
  expect(await warningsOf(clientConfig('"a b"'))).toEqual([])
  expect(await problemsOf(clientConfig('"a\\u00A0b"'))).toEqual([
    '2:48 credentials.corp.clientId: expected printable ASCII characters, and character 2 is U+00A0 (no-break space)',
  ])
})
