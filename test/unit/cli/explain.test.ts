import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'

const CONFIG = `listen: 127.0.0.1:8080
credentials:
  corp:
    issuer: https://login.example.com/realms/corp
    clientId: legacy-billing
    auth: { clientSecret: { file: ./no/such/file } }
    scopes: [orders.read]
  partner:
    tokenEndpoint: https://auth.partner.example/token
    clientId: 7f1c
    auth: { clientSecret: { env: NOT_SET } }
    audience: https://api.partner.example
    resource: [https://a.example, https://b.example]
routes:
  - name: orders
    match: { path: /orders }
    upstream: https://orders.example.com/v2
    credential: corp
  - name: orders-admin
    match: { path: /orders/admin, methods: [GET, HEAD] }
    upstream: https://admin.example.com
    keepPath: true
    credential: corp
    scopes: [orders.admin, orders.read]
    inject: { header: X-Token, prefix: '' }
  - name: partner
    match: { host: api.partner.example }
    upstream: https://api.partner.example
    credential: partner
  - name: health
    match: { path: /health }
    upstream: http://10.0.0.7:8000
    credential: none
`

async function explain(method: string, url: string, yaml = CONFIG) {
  return await runCommand(['explain', method, url, '-c', await writeConfig(yaml)])
}

test('explain shows route, upstream and token without reading secrets', async () => {
  expect(await explain('GET', '/orders/7?state=open')).toEqual({
    code: 0,
    err: '',
    out: `GET /orders/7?state=open
  route       orders (any host, path /orders, any method)
  upstream    https://orders.example.com/v2/7?state=open
  credential  corp, client "legacy-billing"
  token from  https://login.example.com/realms/corp
  scopes      orders.read
  header      Authorization: Bearer <token>
  web pages   only of the same origin
`,
  })
})

test('explain shows settings of the route in preference to those of its credential', async () => {
  expect(await explain('HEAD', '/orders/admin/x')).toMatchObject({
    code: 0,
    out: `HEAD /orders/admin/x
  route       orders-admin (any host, path /orders/admin, method GET or HEAD)
  upstream    https://admin.example.com/orders/admin/x
  credential  corp, client "legacy-billing"
  token from  https://login.example.com/realms/corp
  scopes      orders.admin orders.read
  header      X-Token: <token>
  web pages   only of the same origin
`,
  })
})

test('explain skips a route with another method', async () => {
  const { out } = await explain('post', '/orders/admin')
  expect(out).toContain('POST /orders/admin\n  route       orders (')
  expect(out).toContain('https://orders.example.com/v2/admin\n')
})

test('explain shows audience and resource', async () => {
  const { out } = await explain('GET', 'http://api.partner.example/ledger')
  expect(out).toContain('route       partner (host api.partner.example, any path, any method)\n')
  expect(out).toContain('upstream    https://api.partner.example/ledger\n')
  expect(out).toContain('token from  https://auth.partner.example/token\n')
  expect(out).toContain('audience    https://api.partner.example\n')
  expect(out).toContain('resource    https://a.example https://b.example\n')
  expect(out).not.toContain('scopes')
})

test.for([
  { provider: '{ name: entra, tenant: corp }', from: 'https://login.microsoftonline.com/corp/' },
  { provider: '{ name: google }', from: 'https://oauth2.googleapis.com/token' },
  {
    provider: '{ name: keycloak, url: https://kc.example.com, realm: corp }',
    from: 'https://kc.example.com/realms/corp',
  },
])('the token of a credential for $provider comes from $from', async ({ provider, from }) => {
  const yaml = `credentials:
  corp:
    provider: ${provider}
    auth: { method: none }
    grant: { type: jwt_bearer, issuer: me, key: { env: NOT_SET } }
routes:
  - { name: all, match: { path: / }, upstream: 'https://api.example.com', credential: corp }
`
  const { code, out } = await explain('GET', '/', yaml)
  expect(code).toBe(0)
  expect(out).toContain(`token from  ${from}`)
  // It has no client identifier.
  expect(out).toContain('credential  corp')
  expect(out).not.toContain('undefined')
})

test('explain shows that a route without a credential adds no token', async () => {
  expect(await explain('GET', '/health')).toMatchObject({
    code: 0,
    out: `GET /health
  route       health (any host, path /health, any method)
  upstream    http://10.0.0.7:8000/
  credential  none: no token is added
  web pages   only of the same origin
`,
  })
})

test('explain shows for each route why it does not match', async () => {
  expect(await explain('GET', '/orders-old')).toEqual({
    code: 1,
    err: '',
    out: `GET /orders-old
  route_not_found: Cannot route the request: no route matches its host, path and method

  Why no route matches:
  orders        requires a path below /orders
  orders-admin  requires a path below /orders/admin
  partner       requires host api.partner.example, not 127.0.0.1:8080
  health        requires a path below /health
`,
  })
})

test('explain shows that no route has the method', async () => {
  const yaml = CONFIG.replace('path: /health', 'path: /health, methods: [GET]')
  const { code, out } = await explain('DELETE', '/health', yaml)
  expect(code).toBe(1)
  expect(out).toContain('  health        requires method GET, not DELETE\n')
})

test('explain shows why a forward-proxy request to another host is denied', async () => {
  const { code, out } = await explain('GET', 'http://elsewhere.example/x')
  expect(code).toBe(1)
  expect(out).toContain('egress_denied: ')
  expect(out).toContain(
    '  partner       requires host api.partner.example, not elsewhere.example\n',
  )
})

test.for([
  ['http://127.0.0.1:8080/orders/7'],
  ['HTTP://127.0.0.1:8080/orders/7'],
  ['https://127.0.0.1:8080/orders/7'],
] as const)('the URL %s that the application calls is this listener’s', async ([url]) => {
  const { code, out } = await explain('GET', url)
  expect(code).toBe(0)
  expect(out).toContain('upstream    https://orders.example.com/v2/7\n')
})

test('explain uses the path "/" for a URL without a path', async () => {
  const { out } = await explain('GET', 'http://127.0.0.1:8080?a=b', CONFIG.replace('/health', '/'))
  expect(out).toContain('upstream    http://10.0.0.7:8000/?a=b\n')
})

test.for(['"[::1]:8080"', 'localhost:8080', 'unix:/run/app.sock'])(
  'explain accepts a path for a listener at %s',
  async (listen) => {
    const { code, out } = await explain(
      'GET',
      '/orders/7',
      CONFIG.replace('127.0.0.1:8080', listen),
    )
    expect(out).toContain('route       orders (')
    expect(code).toBe(0)
  },
)

test('explain recognizes the URL of a listener on IPv6', async () => {
  const yaml = CONFIG.replace('127.0.0.1:8080', '"[::1]:8080"')
  const { out } = await explain('GET', 'http://[::1]:8080/orders/7', yaml)
  expect(out).toContain('upstream    https://orders.example.com/v2/7\n')
})

test.for(['api.example.com:80', 'API.example.com'])(
  'explain matches a route for host %s with a URL without a port',
  async (host) => {
    const yaml = CONFIG.replace('host: api.partner.example', `host: ${host}`)
    const { code, out } = await explain('GET', 'http://api.example.com/x', yaml)
    expect(out).toContain('route       partner (')
    expect(code).toBe(0)
  },
)

test('explain refuses a path that two servers may interpret differently', async () => {
  expect(await explain('GET', '/orders%2Fadmin/x')).toMatchObject({
    code: 1,
    out: expect.stringContaining(
      'request_invalid: Cannot route the request: its path has an encoded or repeated slash',
    ),
  })
  expect(await explain('GET', '/orders/%2e%2e/health')).toMatchObject({
    code: 1,
    out: expect.stringContaining('request_invalid: Cannot route the request: its path has a "."'),
  })
})

test('explain accepts a path with percent-encoded spaces and empty segments', async () => {
  const { code, out } = await explain('GET', '/orders/a%20b//c')
  expect(out).toContain('upstream    https://orders.example.com/v2/a%20b//c\n')
  expect(code).toBe(0)
})

test.for(['orders/7', 'localhost:8080/orders', '*', ''])(
  'explain refuses %j as an invalid target',
  async (url) => {
    const { code, out } = await explain('GET', url)
    expect(code).toBe(1)
    expect(out).toContain('request_invalid: Cannot route the request: ')
    expect(out).not.toContain('no Host header')
  },
)

test('explain reports the problems of an invalid configuration', async () => {
  const { code, out, err } = await explain(
    'GET',
    '/orders',
    CONFIG.replace('credential: corp', 'credential: crop'),
  )
  expect({ code, out }).toEqual({ code: 3, out: '' })
  expect(err).toContain('did you mean')
})

test('explain rejects a configuration with a duplicate key', async () => {
  const { code, out, err } = await explain('GET', '/orders', `${CONFIG}listen: 127.0.0.1:1\n`)
  expect({ code, out }).toEqual({ code: 3, out: '' })
  expect(err).toContain(`:${CONFIG.split('\n').length}:1 expected `)
})

test('explain --listener explains the request to that listener', async () => {
  const listen = `listen:
  - { name: app, address: 127.0.0.1:8080 }
  - { name: other, address: 127.0.0.1:8081 }`
  const file = await writeConfig(CONFIG.replace('listen: 127.0.0.1:8080', listen))
  const args = ['explain', 'GET', 'http://localhost:8081/orders/7', '-c', file]
  expect(await runCommand([...args, '--listener', 'other'])).toMatchObject({ code: 0 })
  const byFirst = await runCommand(args)
  expect(byFirst.code).toBe(1)
  expect(byFirst.out).toContain('egress_denied')
})

test('explain names the listeners of a route that another listener does not serve', async () => {
  const listen = `listen:
  - { name: app, address: 127.0.0.1:8080 }
  - { name: other, address: 127.0.0.1:8081 }`
  const config = CONFIG.replace('listen: 127.0.0.1:8080', listen).replace(
    'match: { path: /orders }',
    'match: { path: /orders }\n    listeners: [other]',
  )
  const file = await writeConfig(config)
  const { out } = await runCommand(['explain', 'GET', '/orders/7', '-c', file])
  expect(out).toContain('  orders        is served by other only, not by app\n')
})

test('explain --listener reports a listener that does not exist, and the name that was meant', async () => {
  const file = await writeConfig(CONFIG)
  const args = ['explain', 'GET', '/', '--listener', 'defautl', '-c', file]
  const err =
    'Cannot explain the request: the configuration has no listener "defautl"; did you mean "default"?\n'
  expect(await runCommand(args)).toEqual({ code: 2, out: '', err })
  expect(await runCommand([...args, '--json'])).toEqual({ code: 2, out: '', err })
})

test('explain shows that a route without a host does not match forward-proxy requests', async () => {
  const { code, out } = await explain('GET', 'http://elsewhere.example/orders/7')
  expect(code).toBe(1)
  expect(out).toContain(
    '  orders        has no host, so it does not match forward-proxy requests\n',
  )
})

test('explain shows that "forward: pass" forwards a request without a token', async () => {
  expect(await explain('get', 'http://elsewhere.example/x', `forward: pass\n${CONFIG}`)).toEqual({
    code: 0,
    err: '',
    out: `GET http://elsewhere.example/x
  no route matches: "forward: pass" forwards it without a token
`,
  })
})

test.for([
  ['https://api.partner.example/ledger', 'api.partner.example:443', 'a route is for this host'],
  ['https://elsewhere.example/x', 'elsewhere.example:443', 'no route is for this host'],
  ['https://elsewhere.example:8443', 'elsewhere.example:8443', 'no route is for this host'],
  ['https://mail.example:25/', 'mail.example:25', 'only 443 and 80 can be reached'],
] as const)(
  'explain shows for %s that the tunnel to %s is refused: %s',
  async ([url, tunnel, why]) => {
    const { code, out } = await explain('GET', url)
    expect(code).toBe(1)
    expect(out).toContain(`GET ${url}\n  a client requests a tunnel: CONNECT ${tunnel}\n`)
    expect(out).toContain('  egress_denied: Cannot open a tunnel: ')
    expect(out).toContain(why)
  },
)

test.for(['GET', 'CONNECT'])(
  'explain passes the tunnel of %s to a host without a route with "forward: pass"',
  async (method) => {
    const url = method === 'GET' ? 'https://elsewhere.example/x' : 'elsewhere.example:443'
    const { code, out } = await explain(method, url, `forward: pass\n${CONFIG}`)
    expect(code).toBe(0)
    expect(out).toContain('CONNECT elsewhere.example:443\n  no route matches: "forward: pass"')
  },
)

test('explain refuses a tunnel to a host with a route even with "forward: pass"', async () => {
  const { code, out } = await explain(
    'GET',
    'https://api.partner.example/x',
    `forward: pass\n${CONFIG}`,
  )
  expect(code).toBe(1)
  expect(out).toContain('a route is for this host')
})

const INTERCEPT = 'intercept: { ca: { directory: ca } }\n'

test('explain routes an https URL of a host with a route inside of the intercepted tunnel', async () => {
  const { code, out } = await explain(
    'POST',
    'https://api.partner.example/ledger',
    INTERCEPT + CONFIG,
  )
  expect(code).toBe(0)
  expect(out).toContain('upstream    https://api.partner.example/ledger\n')
  expect(out).toContain('the tunnel is intercepted')
})

test.for([
  ['GET', 'https://elsewhere.example/x', 'no route is for this host'],
  ['GET', 'https://api.partner.example:25/x', 'only 443 and 80'],
  ['GET', 'ws://api.partner.example/x', 'plain HTTP inside of CONNECT'],
] as const)('with interception, explain refuses %s %s: %s', async ([method, url, why]) => {
  const { code, out } = await explain(method, url, INTERCEPT + CONFIG)
  expect(code).toBe(1)
  expect(out).toContain('a client requests a tunnel: CONNECT ')
  expect(out).toContain(why)
})

test('explain routes an https URL of the sidecar itself with a note about http', async () => {
  const { out } = await explain('GET', 'https://127.0.0.1:8080/orders/7')
  expect(out).toContain('  note        the sidecar is reached over http: only')
  expect((await explain('GET', 'http://127.0.0.1:8080/orders/7')).out).not.toContain('note')
})

test('explain refuses an invalid target of CONNECT', async () => {
  const { code, out } = await explain('CONNECT', 'elsewhere.example')
  expect(code).toBe(1)
  expect(out).toContain('request_invalid: Cannot open a tunnel: expected a host and a port')
})

test.for([
  ['Bearer', 'Bearer <token>'],
  ['Token', 'Token <token>'],
  ['hunter2canary', '… <token>'],
  ['secretwithoutdigits', '… <token>'],
])('the prefix %s is shown as "%s"', async ([prefix, shown]) => {
  const yaml = CONFIG.replace(
    '    credential: corp\n',
    `    credential: corp\n    inject: { prefix: ${prefix} }\n`,
  )
  const { out } = await explain('GET', '/orders/7', yaml)
  expect(out).toContain(`: ${shown}\n`)
})
