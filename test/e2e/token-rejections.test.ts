import { writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../helpers/cli.ts'
import { endpointConfig } from '../helpers/config-text.ts'
import { callWith, credentialConfig, fileWith } from '../helpers/credential-call.ts'
import { CLIENT_SECRET, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { createSigningKey } from '../helpers/signing-keys.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const UPSTREAM = 'http://127.0.0.1:1'

/** A token endpoint that rejects every request with this body. */
async function startRejecting(rejection: unknown, status = 400) {
  return await startTokenEndpoint((_request, res) => {
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(rejection))
  })
}

test.for(['invalid_client', 'unauthorized_client', 'access_denied', 'invalid_grant', undefined])(
  'a secret that changes during a token request rejected with %s is tried at once',
  async (error) => {
    const file = await fileWith('old-secret')
    const endpoint = await startTokenEndpoint(({ body }, res) => {
      if (new URLSearchParams(body).get('client_secret') === 'new-secret') {
        sendToken(res)
        return
      }
      writeFileSync(file, 'new-secret')
      res.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
    })
    const { status } = await callWith(
      `tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: client_secret_post, clientSecret: { file: ${file} } }`,
    )
    expect(status).toBe(200)
    expect(endpoint.requests.length).toBe(2)
  },
)

test('a secret file is watched after unauthorized_client, as Keycloak reports a wrong secret', async () => {
  const file = await fileWith('old-secret')
  const endpoint = await startTokenEndpoint(({ body }, res) => {
    if (new URLSearchParams(body).get('client_secret') === 'new-secret') sendToken(res)
    else res.writeHead(401).end('{"error":"unauthorized_client"}')
  })
  const { status, body, sidecar } = await callWith(
    `tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: client_secret_post, clientSecret: { file: ${file} } }`,
  )
  expect(status).toBe(502)
  expect(JSON.parse(body)).toMatchObject({ oauthError: 'unauthorized_client' })
  await writeFile(file, 'new-secret')
  await until(async () => (await fetch(sidecar.proxyUrl)).status === 200)
})

test('the token command prints advice for a rejection without an error code', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => void res.writeHead(401).end())
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  const { err } = await runCommand(['token', 'corp', '-c', file])
  expect(err).toContain('  advice      The server gives no known reason')
  expect(err).toContain('"auth.method"')
})

test('advice for a secret that Keycloak does not accept names the secret', async () => {
  const endpoint = await startRejecting({ error: 'unauthorized_client' }, 401)
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  const { err } = await runCommand(['token', 'corp', '-c', file])
  expect(err).toContain('  advice      The secret is wrong, which Keycloak reports in this way, or')
})

test.for(['private_key_jwt', 'client_secret_jwt'])(
  'advice for %s names auth.audience and typ, in the command and in the status',
  async (method) => {
    const key = await fileWith(createSigningKey('ES256').text('PKCS#8'))
    const proof =
      method === 'private_key_jwt'
        ? `key: { file: ${key} }, algorithm: ES256`
        : 'clientSecret: { value: a-long-secret-of-32-characters-00 }'
    const endpoint = await startRejecting({ error: 'invalid_client' }, 401)
    const credential = `tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: ${method}, ${proof} }`
    const file = await writeConfig(credentialConfig(credential, UPSTREAM))
    const { err } = await runCommand(['token', 'corp', '-c', file])
    const advice = [expect.stringContaining('"auth.audience: tokenEndpoint"')]
    expect([err]).toEqual(advice)
    expect(err).toContain('"auth.header: { typ: JWT }"')

    const { sidecar } = await callWith(credential)
    const status: unknown = await (await fetch(`${sidecar.adminUrl}/status`)).json()
    expect(status).toMatchObject({
      tokens: [{ failure: { advice: advice[0] } }],
      failures: [{ advice: advice[0] }],
    })
  },
)

test.for(['private_key_jwt', 'client_assertion_file'])(
  'advice for %s after invalid_request, as Hydra reports a wrong key, names the key, aud and typ',
  async (method) => {
    const key = await fileWith(createSigningKey('ES256').text('PKCS#8'))
    const proof =
      method === 'private_key_jwt' ? `key: { file: ${key} }, algorithm: ES256` : `file: ${key}`
    const endpoint = await startRejecting({ error: 'invalid_request' })
    const { sidecar } = await callWith(`tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: ${method}, ${proof} }`)
    const status: unknown = await (await fetch(`${sidecar.adminUrl}/status`)).json()
    const advice = expect.stringMatching(/\bkey\b.*\baud.*\btyp\b/)
    expect(status).toMatchObject({ tokens: [{ failure: { advice } }] })
  },
)

test('advice for a client with a secret says nothing about assertions', async () => {
  const endpoint = await startRejecting({ error: 'invalid_client' }, 401)
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  expect((await runCommand(['token', 'corp', '-c', file])).err).not.toContain('audience')
})

const DESCRIBED: readonly { what: string; rejection: unknown; shown: string }[] = [
  {
    what: 'an error_description',
    rejection: { error: 'invalid_client', error_description: 'Client is disabled' },
    shown: 'Client is disabled',
  },
  {
    what: 'an error_description beyond ASCII',
    rejection: { error: 'invalid_client', error_description: 'Client gesperrt für „Müller“' },
    shown: 'Client gesperrt für „Müller“',
  },
  {
    what: 'line breaks, C1 control characters and bidirectional overrides',
    rejection: {
      error: 'invalid_client',
      error_description: 'a\r\nb\u009B2J\u202Ec\u200Bd\u001B[1m',
    },
    shown: 'a b 2J c d [1m',
  },
  {
    what: 'an error code that is not registered',
    rejection: { error: 'client_locked', error_description: 'ask Anna' },
    shown: 'client_locked: ask Anna',
  },
  {
    what: 'the ErrorCode and Error members of Apigee',
    rejection: { ErrorCode: 'x', Error: 'ClientId is Invalid' },
    shown: 'ClientId is Invalid',
  },
  {
    what: 'an error that is an object',
    rejection: { error: { code: 401, message: 'No such app' } },
    shown: 'No such app',
  },
  {
    what: 'the secret',
    rejection: { error: 'invalid_client', error_description: `wrong secret ${CLIENT_SECRET}!` },
    shown: 'wrong secret [redacted]!',
  },
]

test.for(DESCRIBED)(
  'token and check --live print a rejection with $what, on one line',
  async ({ rejection, shown }) => {
    const endpoint = await startRejecting(rejection)
    const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
    const line = `\n  server      ${shown}\n`
    expect((await runCommand(['token', 'corp', '-c', file])).err).toContain(line)
    expect((await runCommand(['check', '--live', '-c', file])).out).toContain(line)
  },
)

test('a secret that the server repeats in form encoding is redacted', async () => {
  const endpoint = await startRejecting({
    error: 'invalid_client',
    error_description: 'wrong secret a%2Bcanary%3D4711!',
  })
  const file = await writeConfig(
    credentialConfig(
      `tokenEndpoint: ${endpoint.url}
clientId: app
auth: { clientSecret: { value: a+canary=4711 } }`,
      UPSTREAM,
    ),
  )
  const { err } = await runCommand(['token', 'corp', '-c', file])
  expect(err).toContain('\n  server      wrong secret [redacted]!\n')
})

test('a long error_description is truncated', async () => {
  const endpoint = await startRejecting({
    error: 'invalid_client',
    error_description: 'x'.repeat(9_999),
  })
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  const { err } = await runCommand(['token', 'corp', '-c', file])
  expect(err).toContain(`  server      ${'x'.repeat(300)} …\n`)
})

test('error_description is in no response, log line, metric or status', async () => {
  const endpoint = await startRejecting({
    error: 'canary-code-4711',
    error_description: 'canary-description-4711',
  })
  const { body, sidecar } = await callWith(
    `tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }`,
  )
  const pages = await Promise.all(
    ['/status', '/metrics', '/readyz'].map(
      async (path) => await (await fetch(sidecar.adminUrl + path)).text(),
    ),
  )
  expect([body, ...pages, await sidecar.logs()].join('\n')).not.toContain('canary')
})

test.for([
  { granted: 'a b', requested: '[a, b]', missing: [], unreported: false },
  { granted: 'b a c', requested: '[a, b]', missing: [], unreported: false },
  { granted: 'a,b', requested: '[a, b]', missing: [], unreported: false },
  { granted: ['a', 'b'], requested: '[a, b]', missing: [], unreported: false },
  { granted: 'a', requested: '[a, b]', missing: ['b'], unreported: false },
  { granted: 'other', requested: '[a, b]', missing: ['a', 'b'], unreported: false },
  { granted: undefined, requested: '[a, b]', missing: [], unreported: true },
  { granted: '', requested: '[a, b]', missing: [], unreported: true },
  { granted: { a: 1 }, requested: '[a]', missing: [], unreported: true },
  { granted: undefined, requested: '[]', missing: [], unreported: false },
  {
    granted: undefined,
    requested: "['https://api.example/.default']",
    missing: [],
    unreported: false,
  },
])(
  'requested scopes $requested are compared with granted scopes $granted in /status and the log',
  async ({ granted, requested, missing, unreported }) => {
    const endpoint = await startTokenEndpoint((_request, res) => sendToken(res, { scope: granted }))
    const { sidecar } = await callWith(
      `tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }\nscopes: ${requested}`,
    )
    const status: unknown = await (await fetch(`${sidecar.adminUrl}/status`)).json()
    expect(status).toMatchObject({ tokens: [{ scopes: { missing, unreported } }] })
    const logs = await sidecar.logs()
    expect(logs.includes('"fewer scopes granted than requested"')).toBe(missing.length > 0)
    expect(logs.includes('"granted scopes not reported by the authorization server"')).toBe(
      unreported,
    )
  },
)

test('missing scopes are logged once for each change', async () => {
  let scope = 'a'
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { scope, expires_in: 1 }),
  )
  const { sidecar } = await callWith(
    `tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }\nscopes: [a, b]`,
  )
  for (const granted of ['a', 'a b', 'a b', 'b']) {
    scope = granted
    const before = endpoint.requests.length
    await until(async () => {
      await fetch(`${sidecar.proxyUrl}/orders`)
      return endpoint.requests.length > before
    })
  }
  const messages = (await sidecar.logs())
    .split('\n')
    .filter((line) => line.includes('scopes'))
    .map((line): { message: string; missingScopes?: string[] } => JSON.parse(line))
    .map(({ message, missingScopes = [] }) => [message, ...missingScopes])
  expect(messages).toEqual([
    ['fewer scopes granted than requested', 'b'],
    ['all requested scopes granted'],
    ['fewer scopes granted than requested', 'a'],
  ])
})

test('check --live says which scopes are missing, and whether any are reported', async () => {
  let scope: string | undefined = 'other'
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res, { scope }))
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  expect((await runCommand(['check', '--live', '-c', file])).out).toContain(
    '  granted     other\n  missing     orders.read (requested but not granted)\n',
  )
  scope = undefined
  expect((await runCommand(['check', '--live', '-c', file])).out).toContain(
    '  granted     not reported by the server (requested: orders.read)\n',
  )
})

test('without a scope in the response, the scp claim of the token contains the granted scopes', async () => {
  const payload = Buffer.from('{"scp":["orders.read"]}').toString('base64url')
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: `e30.${payload}.x` }),
  )
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  const { out } = await runCommand(['check', '--live', '-c', file])
  expect(out).toContain('  granted     orders.read\n')
  expect(out).not.toContain('missing')
})

test('client_secret_jwt supports auth.header', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  await callWith(
    `tokenEndpoint: ${endpoint.url}
clientId: app
auth:
  method: client_secret_jwt
  clientSecret: { value: a-long-secret-of-32-characters-00 }
  header: { typ: JWT }`,
  )
  const assertion = new URLSearchParams(endpoint.requests[0]?.body).get('client_assertion') ?? ''
  expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'HS256', typ: 'JWT' })
})

test.for([
  { given: '', sent: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' },
  {
    given: 'assertionType: jwt-spiffe',
    sent: 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe',
  },
  { given: 'assertionType: urn:example:custom', sent: 'urn:example:custom' },
])('an assertion file without clientId is sent with the type $sent', async ({ given, sent }) => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const assertion = await fileWith('an-assertion')
  await callWith(
    `tokenEndpoint: ${endpoint.url}
auth:
  method: client_assertion_file
  file: ${assertion}
  ${given}`,
  )
  expect([...new URLSearchParams(endpoint.requests[0]?.body)].toSorted(byName)).toEqual([
    ['client_assertion', 'an-assertion'],
    ['client_assertion_type', sent],
    ['grant_type', 'client_credentials'],
  ])
})

test.for(['EdDSA', 'Ed25519'])(
  'DPoP proofs to both servers name the algorithm %s',
  async (algorithm) => {
    const names: unknown[] = []
    const record = (proof: unknown): void => {
      names.push(decodeProtectedHeader(String(proof)).alg)
    }
    const endpoint = await startTokenEndpoint(({ headers }, res) => {
      record(headers['dpop'])
      sendToken(res, { token_type: 'DPoP' })
    })
    const upstream = await startServer((req, res) => {
      record(req.headers['dpop'])
      res.end()
    })
    const sidecar = await startSidecar(
      credentialConfig(
        `tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: none }
dpop: { algorithm: ${algorithm} }`,
        upstream,
      ),
    )
    expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
    expect(names).toEqual([algorithm, algorithm])
  },
)

function byName([one]: [string, string], [other]: [string, string]): number {
  return one.localeCompare(other)
}
