import { writeFileSync } from 'node:fs'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { credentialConfig, fileWith } from '../helpers/credential-call.ts'
import { startServer } from '../helpers/servers.ts'
import { createSigningKey } from '../helpers/signing-keys.ts'
import { startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import {
  type ReceivedTokenRequest,
  sendToken,
  startTokenEndpoint,
} from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

function secretIn({ body }: ReceivedTokenRequest): string | null {
  return new URLSearchParams(body).get('client_secret')
}

function reject(res: ServerResponse, error: string): void {
  res.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
}

type Setup = {
  /** Called before each response. */
  readonly onRequest?: (count: number, file: string) => void
  readonly accepted: (secret: string | null, count: number) => boolean
  readonly lifetimeSeconds?: number
  readonly file?: string
}

/** A server that issues token-1, token-2 and so on, and an API that responds with the received token. */
async function start({ onRequest, accepted, lifetimeSeconds = 300, file }: Setup) {
  const path = file ?? (await fileWith('one\n'))
  const secrets: (string | null)[] = []
  const endpoint = await startTokenEndpoint((request, res) => {
    secrets.push(secretIn(request))
    onRequest?.(secrets.length, path)
    if (accepted(secretIn(request), secrets.length)) {
      sendToken(res, { access_token: `token-${secrets.length}`, expires_in: lifetimeSeconds })
    } else reject(res, 'invalid_client')
  })
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: client_secret_post, clientSecret: { file: '${path}' } }`,
      upstream,
    ),
  )
  const fetchToken = async (): Promise<string> => await (await fetch(sidecar.proxyUrl)).text()
  return { path, secrets, fetchToken, sidecar }
}

test('a rotated secret file is used by the next token request', async () => {
  const { path, secrets, fetchToken } = await start({ accepted: () => true, lifetimeSeconds: 1 })
  expect(await fetchToken()).toBe('Bearer token-1')
  await writeFile(path, 'two\n')
  await until(async () => (await fetchToken()) !== 'Bearer token-1')
  expect(secrets).toEqual(['one', 'two'])
})

test('a secret that Kubernetes rotates by replacing its directory is used by the next token request', async () => {
  const volume = await temporaryDirectory()
  const publish = async (version: string): Promise<void> => {
    await mkdir(join(volume, version))
    await writeFile(join(volume, version, 'secret'), version)
    await symlink(version, join(volume, '..data_tmp'))
    await rename(join(volume, '..data_tmp'), join(volume, '..data'))
  }
  await publish('..one')
  await symlink(join('..data', 'secret'), join(volume, 'secret'))
  const { secrets, fetchToken } = await start({
    accepted: () => true,
    lifetimeSeconds: 1,
    file: join(volume, 'secret'),
  })
  expect(await fetchToken()).toBe('Bearer token-1')
  await publish('..two')
  await until(async () => (await fetchToken()) !== 'Bearer token-1')
  expect(secrets).toEqual(['..one', '..two'])
})

test('a rotated secret does not discard the cached token', async () => {
  const { path, secrets, fetchToken } = await start({ accepted: (secret) => secret === 'one' })
  expect(await fetchToken()).toBe('Bearer token-1')
  await writeFile(path, 'two')
  for (let round = 0; round < 20; round += 1) expect(await fetchToken()).toBe('Bearer token-1')
  expect(secrets).toEqual(['one'])
})

test('a failed refresh with a rotated secret does not discard the cached token', async () => {
  const { path, secrets, fetchToken } = await start({
    accepted: (secret) => secret === 'one',
    lifetimeSeconds: 6,
  })
  expect(await fetchToken()).toBe('Bearer token-1')
  await writeFile(path, 'two')
  // From half of its lifetime on, each refresh fails, and the token is still valid.
  await until(async () => {
    expect(await fetchToken()).toBe('Bearer token-1')
    return secrets.length > 1
  })
  expect(await fetchToken()).toBe('Bearer token-1')
  expect(secrets).toEqual(['one', 'two'])
})

test('a corrected secret is used within seconds of a rejection, not after a minute', async () => {
  const { path, secrets, fetchToken } = await start({ accepted: (secret) => secret === 'right' })
  expect(JSON.parse(await fetchToken())).toMatchObject({ oauthError: 'invalid_client' })
  const startedAtMs = performance.now()
  writeFileSync(path, 'right')
  await until(async () => (await fetchToken()) === 'Bearer token-2')
  expect(performance.now() - startedAtMs).toBeLessThan(10_000)
  expect(secrets).toEqual(['one', 'right'])
})

test('each further wrong secret is tried once', async () => {
  const { path, secrets, fetchToken } = await start({ accepted: (secret) => secret === 'right' })
  expect(JSON.parse(await fetchToken())).toMatchObject({ oauthError: 'invalid_client' })
  await writeFile(path, 'wrong')
  await until(() => secrets.length === 2)
  await writeFile(path, 'right')
  await until(async () => (await fetchToken()) === 'Bearer token-3')
  expect(secrets).toEqual(['one', 'wrong', 'right'])
})

test('a secret that is rotated during a rejected token request is tried at once', async () => {
  const { secrets, fetchToken, sidecar } = await start({
    accepted: (secret) => secret === 'two',
    onRequest: (count, path) => {
      if (count === 1) writeFileSync(path, 'two')
    },
  })
  expect(await fetchToken()).toBe('Bearer token-2')
  expect(secrets).toEqual(['one', 'two'])
  expect(await sidecar.logs()).not.toContain('token request failed')
})

test('a secret that changes constantly is retried once per token request', async () => {
  const { secrets, fetchToken } = await start({
    accepted: () => false,
    onRequest: (count, path) => writeFileSync(path, `secret-${count}`),
  })
  expect(JSON.parse(await fetchToken())).toMatchObject({ oauthError: 'invalid_client' })
  expect(secrets).toEqual(['one', 'secret-1'])
})

test('a rotated secret does not retry a token request that was rejected for another reason', async () => {
  const path = await fileWith('one')
  const endpoint = await startTokenEndpoint((_request, res) => {
    writeFileSync(path, `secret-${endpoint.requests.length}`)
    reject(res, 'invalid_scope')
  })
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { clientSecret: { file: '${path}' } }`,
      'http://127.0.0.1:1',
    ),
  )
  const response = await fetch(sidecar.proxyUrl)
  expect(await response.json()).toMatchObject({ oauthError: 'invalid_scope' })
  expect(endpoint.requests).toHaveLength(1)
})

test('a rotated signing key is used by the next token request', async () => {
  const key = createSigningKey('ES256')
  const next = createSigningKey('ES256')
  const path = await fileWith(key.text('JWK'))
  const assertions: (string | null)[] = []
  const endpoint = await startTokenEndpoint(({ body }, res) => {
    assertions.push(new URLSearchParams(body).get('client_assertion'))
    if (assertions.length > 1) sendToken(res)
    else {
      writeFileSync(path, next.text('JWK'))
      reject(res, 'invalid_client')
    }
  })
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: private_key_jwt, key: { file: '${path}' }, algorithm: ES256 }`,
      upstream,
    ),
  )
  expect(await (await fetch(sidecar.proxyUrl)).text()).toBe('Bearer a-token')
  expect(assertions).toHaveLength(2)
})

test.for([
  { method: 'client_secret_basic', more: '' },
  { method: 'client_secret_basic', more: ', encoding: raw' },
  { method: 'client_secret_post', more: '' },
  { method: 'client_secret_jwt', more: '' },
])(
  'an empty secret file fails the token request instead of being sent: $method $more',
  async (given) => {
    const path = await fileWith('one')
    const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
    const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
    const sidecar = await startSidecar(
      credentialConfig(
        `
tokenEndpoint: ${endpoint.url}
clientId: app
auth: { method: ${given.method}, clientSecret: { file: '${path}' }${given.more} }
prefetch: false`,
        upstream,
      ),
    )
    await writeFile(path, '')
    const response = await fetch(sidecar.proxyUrl)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ code: 'token_unavailable' })
    expect(endpoint.requests).toHaveLength(0)
    await writeFile(path, 'two')
    await until(async () => (await fetch(sidecar.proxyUrl)).status === 200)
  },
)
