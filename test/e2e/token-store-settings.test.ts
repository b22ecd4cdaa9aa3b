import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { call, createFleet, metricOf } from '../helpers/fleet.ts'
import { loadText } from '../helpers/problems.ts'
import { HAS_NO_REDIS, type RedisServer, startRedis, startSentinels } from '../helpers/redis.ts'
import { type RunningSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

async function keysOf(server: RedisServer): Promise<string[]> {
  const keys = await server.command('KEYS', '*')
  return Array.isArray(keys) ? keys.map(String) : []
}

async function waitForStore(sidecar: RunningSidecar): Promise<void> {
  await until(async () => (await metricOf(sidecar, 'token_sidecar_token_store_up')) === 1)
}

test.skipIf(HAS_NO_REDIS)(
  'the store is used with the user, the password and the prefix of the configuration',
  async () => {
    const redis = await startRedis(
      ...'--user default on nopass ~* +@all'.split(' '),
      ...'--user fleet on >long-password ~corp:* +get +set +pttl +del +eval +ping'.split(' '),
    )
    const fleet = await createFleet()
    const store = 'username: fleet, password: { value: long-password }, prefix: "corp:"'
    const sidecar = await fleet.start({ ...redis, store })
    await waitForStore(sidecar)
    expect(await call(sidecar)).toBe('200 Bearer issued-token-1')
    await until(async () => (await keysOf(redis)).some((key) => key.endsWith(':token')))
    for (const key of await keysOf(redis)) expect(key).toMatch(/^corp:/)
    expect(await metricOf(sidecar, 'token_sidecar_token_store_up')).toBe(1)
  },
)

test.skipIf(HAS_NO_REDIS)('the store is used over TLS with a client certificate', async () => {
  const directory = await temporaryDirectory()
  const authority = await createAuthority()
  const [server, client] = await Promise.all([
    authority.issue('store', ['store.internal']),
    authority.issue('sidecar', ['sidecar.internal']),
  ])
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name)
    await writeFile(path, text, { mode: 0o600 })
    return path
  }
  const ca = await write('ca.pem', authority.certificate)
  const tlsPort = await startTlsRedis(
    ['--tls-ca-cert-file', ca],
    ['--tls-cert-file', await write('server.pem', server.certificate)],
    ['--tls-key-file', await write('server.key', server.key)],
    ['--tls-auth-clients', 'yes'],
  )
  const fleet = await createFleet()
  const certificate = await write('client.pem', client.certificate)
  const key = await write('client.key', client.key)
  const tls = `ca: { file: ${ca} }, client: { certificate: { file: ${certificate} }, key: { file: ${key} } }`
  const url = `rediss://127.0.0.1:${tlsPort}`
  const store = `tls: { ${tls}, serverName: store.internal, minVersion: TLSv1.3 }`
  const sidecar = await fleet.start({ url, store })
  await waitForStore(sidecar)
  expect(await call(sidecar)).toBe('200 Bearer issued-token-1')
})

/** The port with TLS of a server. */
async function startTlsRedis(...settings: readonly (readonly string[])[]): Promise<number> {
  const plain = await startRedis()
  plain.kill('SIGKILL')
  await plain.start('--port', '0', '--tls-port', String(plain.port), ...settings.flat())
  return plain.port
}

test.skipIf(HAS_NO_REDIS)(
  'an entry is read with the key that it was written with, during a rotation',
  async () => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
    const keys = ['the first key with more than 32 characters', 'another key of more than 32 chars']
    const [old = '', next = ''] = keys.map((value) => `{ value: "${value}" }`)
    const start = async (list: string): Promise<string> =>
      await call(await fleet.start({ ...redis, keys: list }))
    expect(await start(`[${old}]`)).toBe('200 Bearer issued-token-1')
    await until(async () => (await keysOf(redis)).some((key) => key.endsWith(':token')))
    expect(await start(`[${next}, ${old}]`)).toBe('200 Bearer issued-token-1')
    expect(await start(`[${next}]`)).toBe('200 Bearer issued-token-2')
  },
)

test.skipIf(HAS_NO_REDIS)('a request waits for the store no longer than its timeout', async () => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  const sidecar = await fleet.start({
    ...redis,
    store: 'timeout: 200ms',
    credential: 'prefetch: false',
  })
  await waitForStore(sidecar)
  redis.kill('SIGSTOP')
  expect(await call(sidecar)).toBe('200 Bearer issued-token-1')
  expect(await metricOf(sidecar, 'token_sidecar_token_store_up')).toBe(0)
})

test.skipIf(HAS_NO_REDIS)('the primary is found by the name that the Sentinels know', async () => {
  const [sentinels, fleet] = await Promise.all([startSentinels('tokens'), createFleet()])
  const url = `[${sentinels.urls.join(', ')}]`
  const sidecar = await fleet.start({ url, store: 'mode: sentinel, primary: tokens' })
  await waitForStore(sidecar)
  expect(await call(sidecar)).toBe('200 Bearer issued-token-1')
})

test.for([false, true])(
  'allowPlaintext: %s decides whether a store on another host may be used without TLS',
  async (allowPlaintext) => {
    const fleet = await createFleet()
    const config = fleet.config({
      url: 'redis://valkey.internal',
      store: `allowPlaintext: ${allowPlaintext}`,
    })
    expect((await loadText(config)).ok).toBe(allowPlaintext)
  },
)
