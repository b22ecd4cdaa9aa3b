import { expect, test } from 'vitest'
import { faultsOf, type Given } from '../../helpers/problems.ts'

/** The end of the problem of an invalid value. */
const VALUES: readonly (readonly [what: string, given: Given, end: string])[] = [
  ['a port alone', { top: { listen: 8080 } }, 'did you mean "127.0.0.1:8080"?'],
  ['a port after a colon', { top: { listen: ':8080' } }, 'did you mean "127.0.0.1:8080"?'],
  ['an address as a URL', { top: { listen: 'http://[::1]:81/' } }, 'did you mean "[::1]:81"?'],
  ['every address as "*"', { top: { listen: '*:8080' } }, 'did you mean "0.0.0.0:8080"?'],
  ['a duration without a unit', { credential: { timeout: 10 } }, 'did you mean "10s"?'],
  ['a duration in words', { route: { timeouts: { idle: '5 minutes' } } }, 'did you mean "5m"?'],
  ['a size in another unit', { route: { replay: { maxBody: '64kb' } } }, 'did you mean "64KiB"?'],
  ['a size without a unit', { top: { limits: { headers: 8192 } } }, 'did you mean "8192B"?'],
  [
    'a URL without a scheme',
    { route: { upstream: 'api.example.com/v2' } },
    'did you mean "https://api.example.com/v2"?',
  ],
  ['a path without a slash', { route: { match: { path: 'orders' } } }, 'begin it with "/"'],
  ['a path of a file', { route: { match: { path: 'v2/a' } } }, 'did you mean "/v2/a"?'],
  ['a WebSocket URL', { route: { upstream: 'wss://a.example/' } }, 'mean "https://a.example/"?'],
  [
    'a loopback address without a scheme',
    { route: { upstream: 'localhost:8080' } },
    'did you mean "http://localhost:8080"?',
  ],
  ['an IPv6 address without brackets', { top: { listen: '::1:8080' } }, 'mean "[::1]:8080"?'],
  ['a socket without "unix:"', { top: { listen: '/run/a.sock' } }, 'mean "unix:/run/a.sock"?'],
  ...['1d', '1h30m', '-1s', 'PT10S', '1:30', '500us'].map(
    (timeout) =>
      [
        `the duration ${timeout}`,
        { credential: { timeout } },
        'write one number and one unit: ms, s, m or h',
      ] as const,
  ),
  ['a duration of zero', { credential: { timeout: '0s' } }, 'longer than 0s, got "0s"'],
  [
    'a size in bits',
    { top: { limits: { headers: '16kbit' } } },
    'write one number and one unit: B, KiB, MiB or GiB',
  ],
  ['a size of zero', { top: { limits: { headers: '0B' } } }, 'from 1B to 2GiB, got "0B"'],
  ['a size of Kubernetes', { top: { limits: { headers: '16Ki' } } }, 'did you mean "16KiB"?'],
  ['a log level of another tool', { top: { log: { level: 'warning' } } }, 'did you mean "warn"?'],
  ['false for "off"', { top: { log: { access: false } } }, 'write off'],
  ['"no" for "off"', { top: { log: { access: 'no' } } }, 'write off'],
  ['1 for true', { route: { keepPath: 1 } }, 'write true'],
  ['a variable of a shell', { top: { listen: '$ADDRESS' } }, 'a variable is written "${NAME}"'],
  [
    'a host with a port that is too high',
    { route: { match: { host: 'a.example:99999' } } },
    'expected a host such as "api.example.com" or "*.example.com", got "a.example:99999"',
  ],
  [
    'the metadata URL as the issuer',
    {
      credential: {
        tokenEndpoint: undefined,
        issuer: 'https://a.example/.well-known/openid-configuration',
      },
    },
    'expected the issuer itself: "/.well-known/…" is added to it for discovery, got "https://a.example/.well-known/openid-configuration"',
  ],
  [
    'the method CONNECT',
    { route: { match: { path: '/', methods: ['CONNECT'] } } },
    'expected another method: "forward" decides about tunnels (CONNECT), and TRACE is rejected',
  ],
  [
    'a header value that is not Latin-1',
    { route: { headers: { set: { 'X-A': 'a €' } } } },
    'expected a header value of visible characters, spaces and tabs, and character 3 is U+20AC',
  ],
  ['a method in lower case', { route: { match: { methods: ['get'] } } }, 'did you mean "GET"?'],
  ['one method in lower case', { route: { match: { methods: 'get' } } }, 'write [GET]'],
  ['a level in capitals', { top: { log: { level: 'DEBUG' } } }, 'did you mean "debug"?'],
  ['a misspelt value', { route: { forwarded: 'x-forwaded' } }, 'did you mean "x-forwarded"?'],
  [
    'an authentication method in capitals',
    {
      credential: { auth: { method: 'CLIENT-SECRET-POST', clientSecret: { env: 'CORP_SECRET' } } },
    },
    'did you mean "client_secret_post"?',
  ],
  ['a misspelt provider', { credential: { provider: { name: 'kycloak' } } }, 'mean "keycloak"?'],
  ['a number as the only scope', { credential: { scopes: 12 } }, 'got the number 12; write ["12"]'],
  ['a boolean as a scope', { credential: { scopes: true } }, 'write ["true"]'],
  [
    'no client secret at all',
    { credential: { auth: {} } },
    'got nothing; write where it is stored: { file: … } or { env: … }',
  ],
  [
    'an empty client secret',
    { credential: { auth: { clientSecret: null } } },
    'expected a map; write where it is stored: { file: … } or { env: … }',
  ],
]

test.for(VALUES)('the problem of %s suggests a valid value', async ([, given, end]) => {
  const faults = await faultsOf(given)
  expect(faults.filter((fault) => fault.includes(end))).toHaveLength(1)
})

test.for([
  { top: { listen: 'hunter2canary' } },
  { top: { log: { level: 'hunter2canary' } } },
  { route: { upstream: 'hunter2canary.example.com' } },
  { route: { match: { path: 'hunter2canary' } } },
  { credential: { timeout: 'hunter2canary' } },
  { credential: { auth: { method: 'hunter2canary' } } },
  { route: { headers: { set: { 'X-Key': 4711 } } } },
  { route: { inject: { prefix: 'hunter2 canary' } } },
] satisfies Given[])('the problem of %j does not contain a possible secret', async (given) => {
  const faults = (await faultsOf(given)).join('\n')
  expect(faults).not.toBe('')
  expect(faults).not.toMatch(/hunter2|4711/)
})

/** Keys in the spelling of other tools. */
const KEYS: readonly (readonly [key: string, given: Given, end: string])[] = [
  [
    'client_secret',
    { credential: { client_secret: { env: 'CORP_SECRET' } } },
    'credentials.corp: unknown key "client_secret"; here it is spelt "clientSecret"; it belongs in "credentials.corp.auth"',
  ],
  [
    'client_id',
    { credential: { client_id: 'a' } },
    'credentials.corp: unknown key "client_id"; did you mean "clientId"?',
  ],
  [
    'keep-path',
    { top: { 'keep-path': true } },
    'unknown key "keep-path"; here it is spelt "keepPath"; it belongs in routes[]',
  ],
  [
    'subject_token',
    { credential: { grant: { type: 'client_credentials', subject_token: 'x' } } },
    'credentials.corp.grant: unknown key "subject_token"; here it is spelt "subjectToken"; only with type token_exchange',
  ],
]

test.for(KEYS)(
  'the problem of the key %s contains its spelling and its place',
  async ([, given, fault]) => {
    expect(await faultsOf(given)).toContain(fault)
  },
)
