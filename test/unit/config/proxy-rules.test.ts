import { expect, test } from 'vitest'
import { configWith, faultsOf, loadText, problemsOf, warningsOf } from '../../helpers/problems.ts'

/** The three places of a proxy, each with the path of the setting. */
const PLACES = [
  { at: 'routes[0].proxy', given: (proxy: unknown) => ({ route: { proxy } }) },
  { at: 'credentials.corp.proxy', given: (proxy: unknown) => ({ credential: { proxy } }) },
  {
    at: 'forward.proxy',
    given: (proxy: unknown) => ({ top: { forward: { mode: 'pass', proxy } } }),
  },
]

const ENVIRONMENT = {
  env: { CORP_SECRET: 's', PROXY_PASSWORD: 'p', USER_AND_PASSWORD: 'me:hunter2' },
  files: { password: 'p\n', 'user-and-password': 'me:hunter2\n' },
}
const PASSWORD = { env: 'PROXY_PASSWORD' }

/** Rejected values, with the key below the proxy and the beginning of the message. */
const REJECTED: readonly (readonly [string, unknown, string, string])[] = [
  ['a URL of another scheme', 'socks5://proxy:1080', '', 'expected an http(s) URL without a path'],
  ['a host and a port without a scheme', 'proxy:3128', '', 'expected an http(s) URL without a'],
  ['a URL with a path', 'http://proxy:3128/x', '', 'expected an http(s) URL without a path'],
  ['a URL with a query', 'http://proxy:3128?a', '', 'expected an http(s) URL without a path'],
  ['a list', ['http://proxy:3128'], '', 'expected an http(s) URL without a path'],
  [
    'a user name and a password in the URL',
    'http://me:hunter2@proxy:3128',
    '',
    'expected a URL without user name and password: "username" and "password" beside "url" keep them in files',
  ],
  [
    'a user name in the URL of a map',
    { url: 'http://me@proxy:3128' },
    '.url',
    'expected a URL without user name and password',
  ],
  ['a map without a URL', { username: 'a', password: PASSWORD }, '.url', 'expected an http(s) URL'],
  [
    'a user name with a colon',
    { url: 'http://proxy', username: 'a:b', password: PASSWORD },
    '.username',
    'expected a user name of printable ASCII characters without ":"',
  ],
  [
    'a user name without a password',
    { url: 'http://proxy', username: 'a' },
    '.password',
    'expected the password that belongs to "username"',
  ],
  [
    'a password without a user name',
    { url: 'http://proxy', password: PASSWORD },
    '.username',
    'expected the user name that belongs to "password"',
  ],
  [
    'a password that is not a reference',
    { url: 'http://proxy', username: 'a', password: 'hunter2' },
    '.password',
    'expected a map',
  ],
  [
    'a password in a variable that is not set',
    { url: 'http://proxy', username: 'a', password: { env: 'UNSET_PASSWORD' } },
    '.password.env',
    'expected the environment variable UNSET_PASSWORD to be set',
  ],
  [
    'a user name in a file that does not exist',
    { url: 'http://proxy', username: { file: 'missing' }, password: PASSWORD },
    '.username.file',
    'expected a file that can be read (no such file)',
  ],
  [
    'a user name in a file with a colon',
    { url: 'http://proxy', username: { file: 'user-and-password' }, password: PASSWORD },
    '.username.file',
    'expected a user name without ":"',
  ],
  [
    'a user name in a variable with a colon',
    { url: 'http://proxy', username: { env: 'USER_AND_PASSWORD' }, password: PASSWORD },
    '.username.env',
    'expected a user name without ":"',
  ],
  [
    'certificates for a proxy without TLS',
    { url: 'http://proxy', tls: { ca: { file: 'missing' } } },
    '.tls',
    'expected an "https:" URL beside it, because "http:" has no TLS',
  ],
  [
    'the address of the listener',
    'http://localhost:8080',
    '',
    'expected another address than that of "listen", because requests would loop',
  ],
]

test.for(PLACES.flatMap(({ at, given }) => REJECTED.map((rule) => [at, given, ...rule] as const)))(
  '%s does not accept $2',
  async ([at, given, , value, key, message]) => {
    const faults = await faultsOf(given(value), ENVIRONMENT)
    expect(faults[0]).toMatch(`${at}${key}: `)
    expect(faults[0]?.slice(`${at}${key}: `.length)).toMatch(
      new RegExp(`^${RegExp.escape(message)}`),
    )
    expect(faults.join('\n')).not.toContain('hunter2')
  },
)

test.for(
  PLACES.flatMap(({ at, given }) =>
    [
      'http://proxy:3128',
      'https://proxy.example.com/',
      'HTTP://[::1]:3128',
      'none',
      { url: 'http://proxy', username: 'a', password: PASSWORD },
      { url: 'http://proxy', username: { file: 'password' }, password: { file: 'password' } },
      { url: 'https://proxy', tls: {} },
    ].map((value) => [at, given, value] as const),
  ),
)('%s accepts $2', async ([, given, value]) => {
  expect(await faultsOf(given(value), ENVIRONMENT)).toEqual([])
})

/** The proxy of a route, as the configuration has it. */
async function load(proxy: unknown): Promise<unknown> {
  const result = await loadText(JSON.stringify(configWith({ route: { proxy } })), ENVIRONMENT)
  return result.ok && result.config.routes[0]?.proxy
}

test('a proxy as text and as a map with a URL alone are the same', async () => {
  expect(await load('http://proxy:3128')).toEqual({ url: 'http://proxy:3128', tls: {} })
  expect(await load({ url: 'http://proxy:3128' })).toEqual({ url: 'http://proxy:3128', tls: {} })
  expect(await load('none')).toBeUndefined()
})

test('the proxy of a route does not inherit the user name and the password of the default proxy', async () => {
  const text = JSON.stringify({
    ...configWith({ route: { proxy: { url: 'http://other' } } }),
    defaults: {
      routes: { proxy: { url: 'http://proxy', username: 'a', password: PASSWORD } },
    },
  })
  const result = await loadText(text, ENVIRONMENT)
  expect(result.ok && result.config.routes[0]?.proxy).toEqual({ url: 'http://other', tls: {} })
})

test.for([
  {
    what: 'of a route with a token',
    given: { route: { upstream: 'http://127.0.0.1:9000', proxy: 'http://proxy' } },
    fault: 'routes[0].upstream: expected an https URL, because the token would be sent unencrypted',
  },
  {
    what: 'of a credential',
    given: {
      credential: {
        issuer: undefined,
        tokenEndpoint: 'http://127.0.0.1:9000/token',
        proxy: 'http://proxy',
      },
    },
    fault:
      'credentials.corp.tokenEndpoint: expected an https URL, because the client secret would be sent',
  },
])('a loopback address behind a proxy $what is on another machine', async ({ given, fault }) => {
  expect(await faultsOf(given, ENVIRONMENT)).toEqual([expect.stringContaining(fault)])
})

test('"keepHost" is rejected for an http upstream behind a proxy, which replaces Host', async () => {
  const route = { keepHost: true, credential: 'none', proxy: 'http://proxy' }
  expect(
    await faultsOf({ route: { ...route, upstream: 'http://api.example.com' } }, ENVIRONMENT),
  ).toEqual([expect.stringContaining('routes[0].keepHost: expected an "https:" URL as "upstream"')])
  expect(
    await faultsOf({ route: { ...route, upstream: 'https://api.example.com' } }, ENVIRONMENT),
  ).toEqual([])
})

test('"forward.proxy" is rejected with "mode: deny"', async () => {
  const forward = { mode: 'deny', proxy: 'http://proxy' }
  expect(await faultsOf({ top: { forward } }, ENVIRONMENT)).toEqual([
    expect.stringContaining('forward.proxy: expected "mode: pass" beside it'),
  ])
})

test.for(PLACES)('a literal password in $at causes a warning', async ({ at, given }) => {
  const warnings = async (url: string): Promise<string[] | undefined> =>
    await warningsOf(
      JSON.stringify(configWith(given({ url, username: 'a', password: { value: 'hunter2' } }))),
      ENVIRONMENT,
    )
  const found = await warnings('http://proxy')
  expect(
    found?.filter((warning) => warning.includes(`${at}.password.value: the secret is`)),
  ).toHaveLength(1)
  const local = await warnings('http://127.0.0.1:3128')
  expect(local?.filter((warning) => warning.includes('.proxy.'))).toEqual([])
})

test.for([
  'proxy: hunter2canary',
  'proxy: http://me:sesame',
  'proxy: http://me:hunter2canary@proxy:3128',
  'proxy: http://me:hunter2canary',
  'proxy: { url: hunter2canary }',
  'proxy: { url: "http://proxy", username: a, password: hunter2canary }',
  'proxy: { url: "http://proxy", username: a, passwort: { value: hunter2canary } }',
  'proxy: { url: "http://proxy", username: a, password: { vlaue: hunter2canary } }',
  'proxy: { url: "http://proxy", username: "hunter2canary:", password: { env: A } }',
  'proxy: { url: "http://proxy", username: a, password: { env: hunter2canary } }',
])('no message quotes the password of %s', async (line) => {
  const text = `routes:
  - name: orders
    match: { path: / }
    upstream: https://orders.example.com
    credential: none
    ${line}
`
  const problems = await problemsOf(text)
  expect(problems).not.toEqual([])
  expect(problems.join('\n')).not.toMatch(/hunter2canary|sesame/)
})
