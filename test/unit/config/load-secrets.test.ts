import { expect, test } from 'vitest'
import { problemsOf, type ConfigEnvironment } from '../../helpers/problems.ts'

const CANARY = 'hunter2canary'

const ROUTES = `routes:
  - name: orders
    match: { path: /orders }
    upstream: https://orders.example.com
    credential: corp
`

/** A credential with these further settings, and a route that uses it. */
function withCredential(lines: string): string {
  return `credentials:
  corp:
    issuer: https://login.example.com
    clientId: legacy-billing
${indent(lines, 4)}
${ROUTES}`
}

function withRoute(lines: string): string {
  return `credentials:
  corp:
    issuer: https://login.example.com
    clientId: legacy-billing
    auth: { clientSecret: { env: CORP_SECRET } }
${ROUTES}${indent(lines, 4)}
`
}

function indent(text: string, columns: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(columns))
}

/** Files with a secret in a wrong place, or with a syntax error near it. */
const FILES: readonly { what: string; text: string; environment?: ConfigEnvironment }[] = [
  { what: 'the secret instead of the file', text: CANARY },
  { what: 'the secret instead of all credentials', text: `credentials: ${CANARY}\n${ROUTES}` },
  {
    what: 'the secret instead of a credential',
    text: `credentials: { corp: ${CANARY} }\n${ROUTES}`,
  },
  { what: 'a secret at the top', text: `clientSecret: ${CANARY}\n${withRoute('')}` },
  {
    what: 'a secret at the level of the client',
    text: withCredential(`clientSecret: ${CANARY}\nauth: {}`),
  },
  { what: 'the secret instead of auth', text: withCredential(`auth: ${CANARY}`) },
  { what: 'the secret as a string', text: withCredential(`auth: { clientSecret: ${CANARY} }`) },
  { what: 'the secret as a list', text: withCredential(`auth: { clientSecret: [${CANARY}] }`) },
  {
    what: 'a misspelt clientSecret',
    text: withCredential(`auth: { clientSecert: { value: ${CANARY} } }`),
  },
  {
    what: 'a misspelt value',
    text: withCredential(`auth: { clientSecret: { vlaue: ${CANARY} } }`),
  },
  {
    what: 'a secret with an unknown key',
    text: withCredential(`auth: { clientSecret: { password: ${CANARY} } }`),
  },
  {
    what: 'a misspelt method',
    text: withCredential(`auth: { method: basic, clientSecret: { value: ${CANARY} } }`),
  },
  {
    what: 'a secret with two keys',
    text: withCredential(`auth: { clientSecret: { value: ${CANARY}, env: CORP_SECRET } }`),
  },
  {
    what: 'no space after the colon, within braces',
    text: withCredential(`auth: { clientSecret: { value:${CANARY} } }`),
  },
  {
    what: 'no space after the colon, on a separate line',
    text: withCredential(`auth:\n  clientSecret:\n    value:${CANARY}`),
  },
  {
    what: 'a comma in a secret without quotes, within braces',
    text: withCredential(`auth: { clientSecret: { value: some,${CANARY} } }`),
  },
  {
    what: 'a bracket in a secret without quotes',
    text: withCredential(`auth: { clientSecret: { value: [${CANARY} } }`),
  },
  {
    what: 'a secret that starts with an asterisk',
    text: withCredential(`auth: { clientSecret: { value: *${CANARY} } }`),
  },
  {
    what: 'a secret that starts with an ampersand',
    text: withCredential(`auth: { clientSecret: { value: &${CANARY} } }`),
  },
  {
    what: 'a secret that starts with an exclamation mark',
    text: withCredential(`auth: { clientSecret: { value: !${CANARY} } }`),
  },
  {
    what: 'a secret that starts with a pipe',
    text: withCredential(`auth:\n  clientSecret:\n    value: |${CANARY}`),
  },
  {
    what: 'a secret that starts with a percent sign',
    text: withCredential(`auth: { clientSecret: { value: %${CANARY} } }`),
  },
  {
    what: 'a secret that starts with "@"',
    text: withCredential(`auth: { clientSecret: { value: @${CANARY} } }`),
  },
  {
    what: 'a secret with a backslash in double quotes',
    text: withCredential(`auth: { clientSecret: { value: "\\q${CANARY}" } }`),
  },
  {
    what: 'a secret with a colon',
    text: withCredential(`auth:\n  clientSecret:\n    value: some: ${CANARY}`),
  },
  {
    what: 'a secret after a quoted string',
    text: withCredential(`auth:\n  clientSecret:\n    value: "some" ${CANARY}`),
  },
  {
    what: 'a secret with a "${"',
    text: withCredential(`auth: { clientSecret: { value: '\${${CANARY}' } }`),
  },
  {
    what: 'a secret with a line break',
    text: withCredential(`auth: { clientSecret: { value: "${CANARY}\\n" } }`),
  },
  {
    what: 'a secret in a file, with a line break',
    text: withCredential('auth: { clientSecret: { file: secret } }'),
    environment: { files: { secret: `${CANARY}\n${CANARY}\n` } },
  },
  {
    what: 'a secret in place of the name of its file',
    text: withCredential(`auth: { clientSecret: { file: ${CANARY} } }`),
  },
  {
    what: 'a secret in place of the name of its variable',
    text: withCredential(`auth: { clientSecret: { env: ${CANARY} } }`),
  },
  {
    what: 'a secret with umlauts in a variable',
    text: withCredential('auth: { clientSecret: { env: CORP_SECRET } }'),
    environment: { env: { CORP_SECRET: `${CANARY}ä` } },
  },
  {
    what: 'a password in the issuer',
    text: withCredential(`issuer: https://me:${CANARY}@login.example.com`).replace(
      '    issuer: https://login.example.com\n',
      '',
    ),
  },
  { what: 'a password in the upstream', text: upstream(`https://me:${CANARY}@api.example.com`) },
  { what: 'a password with a slash', text: upstream(`https://me:a/${CANARY}@api.example.com`) },
  { what: 'a password with an at sign', text: upstream(`https://me:a@${CANARY}@api.example.com`) },
  {
    what: 'a password with a question mark',
    text: upstream(`https://me:${CANARY}?@api.example.com`),
  },
  { what: 'a password without a scheme', text: upstream(`me:${CANARY}@api.example.com`) },
  { what: 'a password without slashes', text: upstream(`https:me:${CANARY}@api.example.com`) },
  { what: 'a password over plain HTTP', text: upstream(`http://me:${CANARY}@api.example.com`) },
  {
    what: 'a token, which is long, in place of a URL',
    text: upstream(`eyJhbGciOiJSUzI1NiJ9.${'e30'.repeat(30)}.${CANARY}`),
  },
  {
    what: 'a secret exchanged with its key',
    text: withCredential(`auth: { clientSecret: { ${CANARY}: value } }`),
  },
  { what: 'a key in the query', text: upstream(`https://api.example.com/?key=${CANARY}`) },
  { what: 'a key in the fragment', text: upstream(`"https://api.example.com/#${CANARY}"`) },
  { what: 'a mail address in the query', text: upstream(`https://a.example/?a=b@c&key=${CANARY}`) },
  {
    what: 'a password in the address to listen on',
    text: `listen: http://me:${CANARY}@localhost:8080\n${withRoute('')}`,
  },
  {
    what: 'a header value with a line break',
    text: withRoute(`headers: { set: { X-Api-Key: "${CANARY}\\n" } }`),
  },
  {
    what: 'a header value that is a list',
    text: withRoute(`headers: { set: { X-Api-Key: [${CANARY}] } }`),
  },
  {
    what: 'a header value in place of the map of headers',
    text: withRoute(`headers: { set: "X-Api-Key: ${CANARY}" }`),
  },
  {
    what: 'a header without a space after the colon',
    text: withRoute(`headers: { set: { X-Api-Key:${CANARY} } }`),
  },
  {
    what: 'a header value with a comma',
    text: withRoute(`headers: { set: { X-Api-Key: some,${CANARY} } }`),
  },
  {
    what: 'a header directly below headers',
    text: withRoute(`headers: { X-Api-Key: ${CANARY} }`),
  },
  {
    what: 'a header that the token goes into',
    text: withRoute(`headers: { set: { Authorization: Bearer ${CANARY} } }`),
  },
  {
    what: 'a token in the prefix',
    text: withRoute(`inject: { prefix: "Bearer ${CANARY}" }`),
  },
  {
    what: 'a parameter that is a list',
    text: withCredential(
      `auth: { clientSecret: { env: CORP_SECRET } }\nparameters: { password: [${CANARY}] }`,
    ),
  },
  {
    what: 'a parameter without a space after the colon',
    text: withCredential(
      `auth: { clientSecret: { env: CORP_SECRET } }\nparameters: { password:${CANARY} }`,
    ),
  },
  {
    what: 'parameters as a string',
    text: withCredential(
      `auth: { clientSecret: { env: CORP_SECRET } }\nparameters: password=${CANARY}`,
    ),
  },
  {
    what: 'a variable for the client identifier',
    text: withCredential('auth: { clientSecret: { env: CORP_SECRET } }').replace(
      'legacy-billing',
      '${CORP_SECRET}',
    ),
    environment: { env: { CORP_SECRET: `${CANARY}\n` } },
  },
  {
    what: 'a variable for a duration',
    text: withRoute('timeouts: { idle: "${CORP_SECRET}" }'),
    environment: { env: { CORP_SECRET: CANARY } },
  },
  {
    what: 'a variable for a credential',
    text: withRoute('').replace('credential: corp', 'credential: ${CORP_SECRET}'),
    environment: { env: { CORP_SECRET: CANARY } },
  },
  {
    what: 'a variable for an upstream with a password',
    text: upstream('${UPSTREAM}'),
    environment: { env: { UPSTREAM: `http://me:${CANARY}@api.example.com`, CORP_SECRET: 's' } },
  },
  {
    what: 'a default for a variable',
    text: upstream(`\${UPSTREAM:-http://me:${CANARY}@api.example.com}`),
  },
  {
    what: 'an unterminated quote far above the secret',
    text: withCredential(`auth: { clientSecret: { value: ${CANARY} } }\nscopes: ['a']`).replace(
      'https://login',
      "'https://login",
    ),
  },
  {
    what: 'a block scalar instead of a map',
    text: withCredential(`auth: |\n  clientSecret: { value: ${CANARY} }`),
  },
  {
    what: 'a key in PEM form instead of the name of its file',
    text: withRoute(`tls: { ca: { file: "-----BEGIN PRIVATE KEY-----\\n${CANARY}\\n-----END" } }`),
  },
  {
    what: 'a key without a space after the colon, within braces',
    text: withCredential(`auth: { method: private_key_jwt, key: { value:${CANARY} } }`),
  },
  {
    what: 'a passphrase as a string',
    text: withCredential(
      `auth: { method: private_key_jwt, key: { env: CORP_SECRET }, passphrase: ${CANARY} }`,
    ),
  },
  {
    what: 'an invalid private key',
    text: withCredential('auth: { method: private_key_jwt, key: { env: KEY } }'),
    environment: {
      env: { KEY: `-----BEGIN PRIVATE KEY-----\n${CANARY}\n-----END PRIVATE KEY-----` },
    },
  },
  {
    what: 'a private key with a mistake in its JSON',
    text: withCredential('auth: { method: private_key_jwt, key: { file: key.jwk } }'),
    environment: { files: { 'key.jwk': `{"kty":"EC","d":${CANARY}}` } },
  },
  {
    what: 'a DPoP key with a mistake in its JSON',
    text: withCredential(
      'auth: { clientSecret: { env: CORP_SECRET } }\ndpop: { key: { file: key.jwk } }',
    ),
    environment: { env: { CORP_SECRET: 's' }, files: { 'key.jwk': `{"d":${CANARY}}` } },
  },
  {
    what: 'a subject token as a string',
    text: withCredential(
      `auth: { method: none }\ngrant: { type: token_exchange, subjectToken: ${CANARY} }`,
    ),
  },
  {
    what: 'a claim that is a list',
    text: withCredential(
      `auth: { method: none }\ngrant: { type: jwt_bearer, key: { env: CORP_SECRET }, claims: { a: [${CANARY}] } }`,
    ),
  },
  {
    what: 'a header of the token request with a line break',
    text: withCredential(
      `auth: { clientSecret: { env: CORP_SECRET } }\nheaders: { X-Api-Key: "${CANARY}\\n" }`,
    ),
  },
  {
    what: 'a header of the token request without a space after the colon',
    text: withCredential(
      `auth: { clientSecret: { env: CORP_SECRET } }\nheaders: { X-Api-Key:${CANARY} }`,
    ),
  },
  {
    what: 'a password in the proxy',
    text: withCredential(
      `auth: { clientSecret: { env: CORP_SECRET } }\nproxy: http://me:${CANARY}@proxy.example.com:3128`,
    ),
  },
  {
    what: 'a secret as the name of a variable within "${…}"',
    text: withRoute(`timeouts: { idle: "\${${CANARY}}" }`),
  },
  { what: 'a secret as an unknown key at the top', text: `${CANARY}: x\n${withRoute('')}` },
  { what: 'a secret as an unknown key of a route', text: withRoute(`${CANARY}: x`) },
  { what: 'a secret as an unknown key that is listed', text: withRoute(`timeouts: [${CANARY}]`) },
  {
    what: 'a secret as an unknown key of defaults',
    text: `defaults: { ${CANARY}: x }\n${withRoute('')}`,
  },
  {
    what: 'a secret as a duplicate key',
    text: `${CANARY}: x\n${CANARY}: x\n${withRoute('')}`,
  },
  { what: 'a secret instead of an address', text: `listen: ${CANARY}\n${withRoute('')}` },
  { what: 'a secret instead of a duration', text: withRoute(`timeouts: { idle: ${CANARY} }`) },
  {
    what: 'a secret instead of the name of a credential',
    text: withRoute('').replace('credential: corp', `credential: ${CANARY}`),
  },
  { what: 'a secret instead of a map', text: withRoute('').replace('{ path: /orders }', CANARY) },
  { what: 'a secret instead of a list', text: withRoute(`scopes: ${CANARY}`) },
  { what: 'a secret instead of a choice', text: withRoute(`existingAuthorization: ${CANARY}`) },
  { what: 'a secret instead of a boolean', text: withRoute(`retry: ${CANARY}`) },
  { what: 'a secret in the place of all defaults', text: `defaults: ${CANARY}\n${withRoute('')}` },
  {
    what: 'a secret as a default',
    text: `defaults: { credentials: { auth: { clientSecret: ${CANARY} } } }\n${withCredential('auth: { encoding: form }')}`,
  },
  {
    what: 'a map as a key',
    text: withCredential(`? { clientSecret: { value: ${CANARY} } }\n: auth`),
  },
]

function upstream(url: string): string {
  return withRoute('').replace('https://orders.example.com', url)
}

test.for(FILES)('$what: no problem contains the secret', async ({ text, environment }) => {
  expect(JSON.stringify([text, environment])).toContain(CANARY)
  const problems = await problemsOf(text, { env: { CORP_SECRET: 's' }, ...environment })
  expect(problems).not.toEqual([])
  expect(problems.join('\n')).not.toContain(CANARY)
})

test('a short secret after a long key without a space appears in no problem', async () => {
  const problems = await problemsOf(withCredential('auth: {clientSecret:abcd}'))
  expect(problems).not.toEqual([])
  expect(problems.join('\n')).not.toContain('abcd')
})

test('a secret in upper case as the name of a variable appears in no problem', async () => {
  const problems = await problemsOf(withRoute('timeouts: { idle: "${HUNTER2CANARY}" }'), {
    env: { CORP_SECRET: 's' },
  })
  expect(problems).toEqual([
    expect.stringContaining('expected the name of an environment variable'),
  ])
})

const PIN = '47110815'

test.for([
  { what: 'a secret', text: withCredential(`auth: { clientSecret: { value: ${PIN} } }`) },
  { what: 'a secret as a string', text: withCredential(`auth: { clientSecret: ${PIN} }`) },
  {
    what: 'a parameter',
    text: withCredential(
      `auth: { clientSecret: { env: CORP_SECRET } }\nparameters: { pin: ${PIN} }`,
    ),
  },
  { what: 'a header', text: withRoute(`headers: { set: { X-Pin: ${PIN} } }`) },
  { what: 'a prefix', text: withRoute(`inject: { prefix: ${PIN} }`) },
])('$what of digits, which YAML parses as a number, appears in no problem', async ({ text }) => {
  const problems = await problemsOf(text, { env: { CORP_SECRET: 's' } })
  expect(problems).toEqual([expect.stringContaining(': expected a ')])
  expect(problems.join('\n')).not.toContain(PIN)
})

const TYPO_FILES = [
  {
    what: 'a client secret, a parameter and a header',
    text: `credentials:
  corp:
    issuer: https://a.example
    clientId: a
    auth: { clientSecret: { value: ${CANARY} } }
    parameters:
      password: ${CANARY}
routes:
  - name: a
    match: { path: / }
    upstream: https://b.example
    credential: corp
    headers: { set: { X-Key: "${CANARY}" } }
`,
  },
  {
    what: 'a key, its passphrase, a token and a claim',
    text: `credentials:
  corp:
    issuer: https://a.example
    auth: { method: private_key_jwt, key: { value: ${CANARY} }, passphrase: { value: '${CANARY}' } }
    grant:
      type: token_exchange
      subjectToken:
        value: ${CANARY}
    headers: { X-Key: ${CANARY} }
    dpop: { key: { value: ${CANARY} } }
routes: []
`,
  },
]

test.for(TYPO_FILES)(
  'with any typo of one character in $what, no problem contains the secret',
  async ({ text }) => {
    const leaks = new Map<string, string>()
    let wrong = 0
    for (const typo of typosIn(text)) {
      const problems = await problemsOf(typo)
      if (problems.length > 0) wrong += 1
      const leak = problems.find((problem) => /hunter|canary/.test(problem))
      if (leak !== undefined) leaks.set(leak, typo)
    }
    expect(wrong).toBeGreaterThan(1000)
    expect([...leaks.keys()].slice(0, 5)).toEqual([])
  },
)

/** The text with each character deleted, and with special characters inserted before every second one. */
function* typosIn(text: string): Generator<string> {
  for (let at = 0; at <= text.length; at += 1) {
    const before = text.slice(0, at)
    yield before + text.slice(at + 1)
    if (at % 2 === 1) continue
    for (const typed of `'"{[:,*! \n`) yield before + typed + text.slice(at)
  }
}
