import { expect, test } from 'vitest'
import { loadText, problemsOf } from '../../helpers/problems.ts'

const ENVIRONMENT = { env: { SECRET: 's3cret' }, files: { 'one.secret': 's3cret' } }

const CONFIG = `
defaults:
  credentials:
    issuer: https://login.example.com
    auth: { method: client_secret_post, clientSecret: { env: SECRET } }
    refresh: { leeway: 30s, jitter: 5s }
    scopes: [a, b]
    parameters: { tenant: emea, kind: x }
  routes:
    upstream: https://api.example.com/v2
    credential: one
    timeouts: { connect: 2s, idle: 7s }
    headers: { set: { X-Tenant: emea }, remove: [X-Debug] }
credentials:
  one: { clientId: one, auth: { clientSecret: { file: one.secret } } }
  two:
    clientId: two
    tokenEndpoint: https://auth.example.com/token
    auth: { method: none }
    refresh: { jitter: 1s }
    scopes: []
    parameters: { kind: y }
routes:
  - { name: first, match: { path: /first } }
  - name: second
    match: { path: /second }
    credential: two
    upstream: https://other.example.com
    timeouts: { idle: 0s }
    headers: { set: { X-Other: x }, remove: [X-Trace] }
`

async function configOf(text: string) {
  const { config } = await loadText(text, ENVIRONMENT)
  return config
}

test('defaults are merged into a route map by map, and lists of the route replace those of the defaults', async () => {
  expect(await configOf(CONFIG)).toMatchObject({
    routes: [
      {
        upstream: 'https://api.example.com/v2',
        credential: 'one',
        timeouts: { connect: 2_000, idle: 7_000, token: 10_000 },
        headers: { set: { 'X-Tenant': 'emea' }, remove: ['X-Debug'] },
      },
      {
        upstream: 'https://other.example.com',
        credential: 'two',
        timeouts: { connect: 2_000, idle: 0, token: 10_000 },
        headers: { set: { 'X-Tenant': 'emea', 'X-Other': 'x' }, remove: ['X-Trace'] },
      },
    ],
  })
})

test('a secret of a credential replaces the default secret as a whole, and keeps the default method', async () => {
  const config = await configOf(CONFIG)
  expect(config?.credentials['one']).toMatchObject({
    issuer: 'https://login.example.com',
    auth: { method: 'client_secret_post', clientSecret: { file: 'one.secret' } },
    refresh: { leeway: 30_000, jitter: 5_000 },
    scopes: ['a', 'b'],
  })
  expect(config?.credentials['one']?.auth).not.toHaveProperty('clientSecret.env')
})

test('a credential with another auth.method or another server replaces those defaults as a whole', async () => {
  const config = await configOf(CONFIG)
  expect(config?.credentials['two']).toMatchObject({
    tokenEndpoint: 'https://auth.example.com/token',
    auth: { method: 'none' },
    refresh: { leeway: 30_000, jitter: 1_000 },
    scopes: [],
    parameters: { tenant: 'emea', kind: 'y' },
  })
  expect(config?.credentials['two']).not.toHaveProperty('issuer')
  expect(config?.credentials['two']?.auth).not.toHaveProperty('clientSecret')
})

test('an invalid default that several routes use is reported once, at its position', async () => {
  const text = CONFIG.replace('idle: 7s', 'idle: soon').replace('    timeouts: { idle: 0s }\n', '')
  expect(await problemsOf(text, ENVIRONMENT)).toEqual([
    '12:36 defaults.routes.timeouts.idle: expected a duration such as "500ms", "30s" or "5m", got "soon"',
  ])
})

test('an invalid default that no route or credential uses is reported', async () => {
  const problems = await problemsOf(
    `defaults: { routes: { keepPath: 7, colour: red }, credentials: { auth: { encoding: x } } }
routes:
  - { name: a, match: { path: / }, upstream: 'https://a.example', credential: none, keepPath: true }
`,
  )
  expect(problems).toEqual([
    '1:33 defaults.routes.keepPath: expected true or false, got the number 7',
    expect.stringMatching(/^1:36 (?:defaults\.routes|routes\[0\]): unknown key/),
    '1:84 defaults.credentials.auth.encoding: expected "form" or "raw"',
  ])
})

test('an invalid setting of a route is reported at the route, in a file with defaults', async () => {
  const text = CONFIG.replace('idle: 0s', 'idle: soon').replace('name: first', 'nme: first')
  expect(await problemsOf(text, ENVIRONMENT)).toEqual([
    '24:7 routes[0]: unknown key "nme"; did you mean "name"?',
    '29:23 routes[1].timeouts.idle: expected a duration such as "500ms", "30s" or "5m", got "soon"',
  ])
})

test('a required setting that neither a route nor the defaults have is reported at the route', async () => {
  const text = CONFIG.replace('    upstream: https://api.example.com/v2\n', '')
  expect(await problemsOf(text, ENVIRONMENT)).toEqual([
    '23:5 routes[0].upstream: expected an http(s) URL without user, query or fragment, such as "https://orders.example.com/v2", got nothing',
  ])
})

test('a violation of a rule between keys is reported at the default that causes it', async () => {
  const text = CONFIG.replace('issuer: https:', 'issuer: http:')
  expect(await problemsOf(text, ENVIRONMENT)).toEqual([
    expect.stringMatching(/^4:13 defaults\.credentials\.issuer: expected an https URL/),
  ])
})

test('a missing file that a default names is reported once, at the default', async () => {
  const text = CONFIG.replace('  two:\n', '  three: { clientId: three }\n  two:\n').replace(
    '{ env: SECRET }',
    '{ file: missing }',
  )
  expect(await problemsOf(text, ENVIRONMENT)).toEqual([
    '5:63 defaults.credentials.auth.clientSecret.file: expected a file that can be read (no such file)',
  ])
})

test('name is not accepted as a default', async () => {
  const text = CONFIG.replace('    credential: one\n', '    credential: one\n    name: same\n')
  expect(await problemsOf(text, ENVIRONMENT)).toEqual([
    expect.stringMatching(/^12:5 defaults\.routes: unknown key "name"/),
  ])
})

test.for([
  ['an empty list', 'defaults: []', '1:11 defaults: expected a map, got a list'],
  [
    'a string for routes',
    'defaults: { routes: x }',
    '1:21 defaults.routes: expected a map, got a string; write a map of ',
  ],
  ['nothing', 'defaults:', '1:10 defaults: expected a map, got nothing'],
  [
    'a misspelt key',
    'defaults: { route: {} }',
    '1:13 defaults: unknown key "route"; did you mean "routes"?',
  ],
] as const)('%s as defaults is rejected', async ([, line, problem]) => {
  const routes = `routes: [{ name: a, match: { path: / }, upstream: 'https://a.example', credential: none }]`
  const problems = await problemsOf(`${line}\n${routes}\n`)
  expect(problems).toEqual([expect.stringContaining(problem)])
})

test('top-level keys that start with "x-" may hold anchors, and may have any value', async () => {
  const text = `x-timeouts: &relaxed { response: 5m }
x-notes: [anything, { at: all }]
routes:
  - { name: a, match: { path: /a }, upstream: 'https://a.example', credential: none, timeouts: *relaxed }
  - { name: b, match: { path: /b }, upstream: 'https://a.example', credential: none, timeouts: *relaxed }
`
  expect(await problemsOf(text)).toEqual([])
  const config = await configOf(text)
  expect(config?.routes.map(({ timeouts }) => timeouts.response)).toEqual([300_000, 300_000])
  expect(config).not.toHaveProperty('x-timeouts')
  expect(await problemsOf(text.replace('5m', 'soon'))).toEqual([
    expect.stringMatching(/^1:34 routes\[0\]\.timeouts\.response: expected a duration/),
    expect.stringMatching(/^1:34 routes\[1\]\.timeouts\.response: expected a duration/),
  ])
})

test('a duplicate name from an alias is reported at the alias', async () => {
  const text = `x-route: &route { name: a, match: { path: / }, upstream: 'https://a.example', credential: none }
routes:
  - *route
  - *route
`
  expect(await problemsOf(text)).toEqual([
    expect.stringMatching(/^4:5 routes\[1\]\.name: expected a name that no other route has/),
    expect.stringMatching(/^4:5 routes\[1\]\.match: expected a match that differs/),
  ])
})
