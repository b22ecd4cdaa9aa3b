import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Outcome, runCommand, writeConfig } from '../../helpers/cli.ts'
import { endpointConfig, ordersConfig } from '../../helpers/config-text.ts'
import { CLIENT_ID, RESOURCE, startIssuer, startServer } from '../../helpers/servers.ts'
import { sendToken, startTokenEndpoint } from '../../helpers/token-endpoint.ts'

const UPSTREAM = 'http://127.0.0.1:1'

const VALID = `listen: unix:/run/app.sock
admin: '[::1]:9090'
credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { env: CORP_SECRET } }
  entra:
    provider: { name: entra, tenant: corp }
    clientId: b
    auth: { clientSecret: { value: s3cret } }
routes:
  - name: orders
    match: { path: /orders, host: api.example.com, methods: [GET, HEAD] }
    upstream: https://orders.example.com/v2
    credential: corp
    scopes: [orders.read]
  - { name: rest, match: { path: / }, upstream: 'https://rest.example.com', credential: none }
`
const ENV = { CORP_SECRET: 's3cret' }

/** The JSON that a command printed; it must be all that it printed. */
function reportOf({ out, err }: Outcome): unknown {
  expect(err).toBe('')
  return JSON.parse(out)
}

test('check --json has the plan and the warnings', async () => {
  const file = await writeConfig(VALID)
  const outcome = await runCommand(['check', '--json', '-c', file], ENV)
  expect(outcome.code).toBe(0)
  expect(reportOf(outcome)).toEqual({
    file,
    valid: true,
    problems: [],
    warnings: [
      { line: 9, column: 5, path: 'credentials.entra', message: 'no route uses this credential' },
      {
        line: 11,
        column: 36,
        path: 'credentials.entra.auth.clientSecret.value',
        message: 'the secret is part of the configuration file; "file" or "env" keeps it out',
      },
    ],
    plan: {
      listeners: [
        { name: 'default', address: 'unix:/run/app.sock', mode: 'proxy', tls: false, callers: [] },
      ],
      admin: '[::1]:9090',
      routes: [
        {
          name: 'orders',
          host: 'api.example.com',
          path: '/orders',
          methods: ['GET', 'HEAD'],
          upstream: 'https://orders.example.com/v2',
          proxy: null,
          credential: 'corp',
          listeners: null,
        },
        {
          name: 'rest',
          host: null,
          path: '/',
          methods: null,
          upstream: 'https://rest.example.com',
          proxy: null,
          credential: null,
          listeners: null,
        },
      ],
      webPageOrigins: [],
      credentials: [
        { name: 'corp', clientId: 'a', tokenFrom: 'https://login.example.com/token', proxy: null },
        {
          name: 'entra',
          clientId: 'b',
          tokenFrom: 'https://login.microsoftonline.com/corp/oauth2/v2.0/token',
          proxy: null,
        },
      ],
    },
    unchecked: [],
  })
  expect(outcome.out).not.toContain('s3cret')
})

test('check --json has each problem with line and column, and the plan of an understandable file', async () => {
  const file = await writeConfig(VALID)
  const withoutSecret = await runCommand(['check', '--json', '-c', file])
  expect(withoutSecret.code).toBe(3)
  expect(reportOf(withoutSecret)).toMatchObject({
    valid: false,
    problems: [{ line: 7, column: 34, path: 'credentials.corp.auth.clientSecret.env' }],
    plan: { admin: '[::1]:9090' },
  })
  const wrong = await writeConfig(VALID.replace('clientId: a', 'clientId: 7'))
  const outcome = await runCommand(['check', '--json', '-c', wrong], ENV)
  expect(outcome.code).toBe(3)
  expect(reportOf(outcome)).toEqual({
    file: wrong,
    valid: false,
    problems: [
      {
        line: 6,
        column: 15,
        path: 'credentials.corp.clientId',
        message: 'expected a string, got the number 7; put it in quotes: "7"',
      },
    ],
    warnings: [],
    plan: null,
    unchecked: [],
  })
})

test.for([['check'], ['explain', 'GET', '/']])(
  '%j --json reports a missing file as a problem without line and column',
  async (command) => {
    const outcome = await runCommand([...command, '--json', '-c', '/no/such/file'])
    expect(outcome.code).toBe(3)
    expect(reportOf(outcome)).toMatchObject({
      file: '/no/such/file',
      problems: [
        {
          line: null,
          column: null,
          path: '',
          message: 'Cannot read the configuration "/no/such/file": no such file',
        },
      ],
    })
  },
)

test('check --live --json has the properties of each token, but not the token', async () => {
  const issuer = await startIssuer()
  const upstream = await startServer((_req, res) => void res.end())
  const file = await writeConfig(ordersConfig({ issuer: issuer.issuer, upstream }))
  const outcome = await runCommand(['check', '--live', '--json', '-c', file])
  expect(outcome.code).toBe(0)
  expect(reportOf(outcome)).toMatchObject({
    valid: true,
    tokens: [
      {
        token: 'corp',
        credential: 'corp',
        obtained: {
          type: 'Bearer',
          lifetimeSeconds: expect.closeTo(300, -1),
          expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          claims: { iss: issuer.issuer, aud: RESOURCE, client_id: CLIENT_ID },
        },
        error: null,
      },
    ],
    upstreams: [
      { origin: upstream, routes: ['orders'], proxy: null, connected: { tls: null }, error: null },
    ],
  })
  expect(outcome.out).not.toContain('eyJ')
})

test('check --live --json has the failure of a token request, and exits with 1', async () => {
  const endpoint = await startTokenEndpoint(({ body }, res) => {
    if (new URLSearchParams(body).get('scope') === 'orders.read') {
      sendToken(res, { scope: 'a\u009B2Jb' })
      return
    }
    res.writeHead(400, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ error: 'invalid_scope', error_description: 'nonsense' }))
  })
  const config = endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM })
  const file = await writeConfig(`${config}
  - { name: more, match: { path: /more }, upstream: '${UPSTREAM}', credential: corp, scopes: [more] }
`)
  const outcome = await runCommand(['check', '--live', '--json', '-c', file])
  expect(outcome.code).toBe(1)
  expect(reportOf(outcome)).toMatchObject({
    valid: true,
    tokens: [
      { token: 'corp', obtained: { granted: 'a\u009B2Jb', claims: null }, error: null },
      {
        token: 'corp/more',
        credential: 'corp',
        obtained: null,
        error: {
          code: 'token_rejected',
          message: expect.stringContaining('invalid_scope'),
          advice: expect.stringMatching(/^A scope is unknown/),
        },
      },
    ],
  })
  // Control characters of a server are escaped.
  expect(outcome.out).not.toContain('\u009B')
  expect(outcome.out).not.toContain('nonsense')
})

test('check --live --json sends no request with an invalid configuration', async () => {
  const file = await writeConfig(VALID)
  const outcome = await runCommand(['check', '--live', '--json', '-c', file])
  expect(outcome.code).toBe(3)
  expect(reportOf(outcome)).not.toHaveProperty('tokens')
})

async function explain(method: string, url: string, yaml = VALID): Promise<Outcome> {
  return await runCommand(['explain', method, url, '--json', '-c', await writeConfig(yaml)])
}

const NOTHING = {
  file: expect.stringMatching(/token-sidecar\.yaml$/),
  problems: [],
  route: null,
  upstream: null,
  proxy: null,
  note: null,
  tunnel: null,
  token: null,
  webPageOrigins: [],
  error: null,
  otherRoutes: [],
}

test('explain --json has the route, the upstream and the token', async () => {
  const outcome = await explain('get', 'http://api.example.com/orders/7?a=b')
  expect(outcome.code).toBe(0)
  expect(reportOf(outcome)).toEqual({
    ...NOTHING,
    method: 'GET',
    url: 'http://api.example.com/orders/7?a=b',
    listener: 'default',
    outcome: 'routed',
    route: { name: 'orders', host: 'api.example.com', path: '/orders', methods: ['GET', 'HEAD'] },
    upstream: 'https://orders.example.com/v2/7?a=b',
    token: {
      credential: 'corp',
      clientId: 'a',
      tokenFrom: 'https://login.example.com/token',
      scopes: ['orders.read'],
      audience: [],
      resource: [],
      header: 'Authorization',
      prefix: 'Bearer',
    },
  })
})

test('explain --json has no token for a route without a credential', async () => {
  const outcome = await explain('GET', '/orders/7')
  expect(reportOf(outcome)).toMatchObject({ route: { name: 'rest', path: '/' }, token: null })
})

test('explain --json has a reason for each route if none matches', async () => {
  const outcome = await explain('GET', 'http://elsewhere.example/x')
  expect(outcome.code).toBe(1)
  expect(reportOf(outcome)).toEqual({
    ...NOTHING,
    method: 'GET',
    url: 'http://elsewhere.example/x',
    listener: 'default',
    outcome: 'refused',
    error: {
      code: 'egress_denied',
      message: expect.stringContaining('Cannot forward the request'),
    },
    otherRoutes: [
      { route: 'orders', reason: 'requires host api.example.com, not elsewhere.example' },
      { route: 'rest', reason: 'has no host, so it does not match forward-proxy requests' },
    ],
  })
})

test.for([
  ['TRACE', '/', 'method_not_supported'],
  ['CONNECT', 'a.example:443', 'egress_denied'],
  ['GET', '*', 'request_invalid'],
] as const)('explain --json %s %s is refused with %s', async ([method, url, code]) => {
  const outcome = await explain(method, url)
  expect(outcome.code).toBe(1)
  expect(reportOf(outcome)).toMatchObject({ outcome: 'refused', error: { code }, otherRoutes: [] })
})

test('explain --json has the outcome "passed"', async () => {
  const outcome = await explain('GET', 'http://elsewhere.example/x', `forward: pass\n${VALID}`)
  expect(outcome.code).toBe(0)
  expect(reportOf(outcome)).toMatchObject({ ...NOTHING, outcome: 'passed' })
})

test('explain --json has the problems of an invalid configuration', async () => {
  const outcome = await explain('GET', '/', VALID.replace('credential: corp', 'credential: crop'))
  expect(outcome.code).toBe(3)
  expect(reportOf(outcome)).toMatchObject({
    outcome: null,
    problems: [
      { path: 'credentials.corp.auth.clientSecret.env' },
      { line: 16, column: 17, path: 'routes[0].credential' },
    ],
  })
})

test('docs/command-line.md names every key', async () => {
  const issuer = await startIssuer()
  const upstream = await startServer((_req, res) => void res.end())
  const file = await writeConfig(ordersConfig({ issuer: issuer.issuer, upstream }))
  const outputs = await Promise.all([
    runCommand(['check', '--live', '--json', '-c', file]),
    runCommand(['check', '--json', '-c', '/no/such/file']),
    runCommand(['explain', 'GET', '/orders', '--json', '-c', file]),
    runCommand(['explain', 'GET', '/none', '--json', '-c', await writeConfig(VALID)]),
  ])
  const keys = outputs.flatMap(({ out }) => keysOf(JSON.parse(out)))
  expect(keys.length).toBeGreaterThan(50)
  const docs = readFileSync('docs/command-line.md', 'utf8')
  const named = new Set([...docs.matchAll(/`(?:plan\.)?([a-zA-Z]+)`/g)].map(([, name]) => name))
  expect([...new Set(keys)].filter((key) => !named.has(key))).toEqual([])
})

/** All keys at any depth, except for the names of claims. */
function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(Array.isArray(value) ? [] : [key]),
    ...(key === 'claims' ? [] : keysOf(inner)),
  ])
}

test('explain --json hides a prefix that may be a token', async () => {
  const outcome = await explain(
    'GET',
    'http://api.example.com/orders/7',
    VALID.replace(
      '    credential: corp',
      '    credential: corp\n    inject: { prefix: hunter2canary }',
    ),
  )
  expect(reportOf(outcome)).toMatchObject({ outcome: 'routed', token: { prefix: null } })
  expect(outcome.out).not.toContain('hunter2')
})

test('explain --json has the tunnel that a client requests', async () => {
  expect(reportOf(await explain('GET', 'https://elsewhere.example/x'))).toMatchObject({
    outcome: 'refused',
    tunnel: 'elsewhere.example:443',
    error: { code: 'egress_denied' },
  })
})
