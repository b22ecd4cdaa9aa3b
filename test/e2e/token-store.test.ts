import { createServer, connect } from 'node:net'
import { expect, test } from 'vitest'
import {
  call,
  createFleet,
  FLEET_CLIENT,
  FLEET_SECRET,
  metricOf,
  STORE_KEY,
} from '../helpers/fleet.ts'
import { HAS_NO_REDIS, type RedisServer, startRedis } from '../helpers/redis.ts'
import { portOf } from '../helpers/servers.ts'
import { until } from '../helpers/wait.ts'

async function keysOf(server: RedisServer): Promise<string[]> {
  const keys = await server.command('KEYS', '*')
  return Array.isArray(keys) ? keys.map(String).toSorted() : []
}

async function hasToken(server: RedisServer): Promise<boolean> {
  return (await keysOf(server)).some((key) => key.endsWith(':token'))
}

test.skipIf(HAS_NO_REDIS)('ten sidecars that start together send one token request', async () => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  const replicas = await Promise.all(Array.from({ length: 10 }, () => fleet.start(redis)))
  const answers = await Promise.all(replicas.map(call))
  expect(new Set(answers)).toEqual(new Set(['200 Bearer issued-token-1']))
  expect(fleet.endpoint.requests).toHaveLength(1)
})

test.skipIf(HAS_NO_REDIS)('a restarted sidecar uses the token in the store', async () => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  const first = await fleet.start(redis)
  await call(first)
  await until(async () => await hasToken(redis))
  await first.close()
  const second = await fleet.start(redis)
  expect(await call(second)).toBe('200 Bearer issued-token-1')
  expect(fleet.endpoint.requests).toHaveLength(1)
  const series = 'token_sidecar_tokens_obtained_total{credential="corp",reason="shared"}'
  expect(await metricOf(second, series)).toBe(1)
  expect(await metricOf(second, 'token_sidecar_token_store_up')).toBe(1)
})

test.skipIf(HAS_NO_REDIS)(
  'the fleet renews its token with one request for each lifetime',
  async () => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet({ lifetimeSeconds: 2 })])
    const replicas = await Promise.all([1, 2, 3].map(async () => await fleet.start(redis)))
    const startedAt = Date.now()
    while (fleet.endpoint.requests.length < 5) {
      for (const answer of await Promise.all(replicas.map(call))) expect(answer).toMatch(/^200 /)
    }
    // A token of 2 s is renewed after 1 s.
    expect(fleet.endpoint.requests.length).toBeLessThanOrEqual((Date.now() - startedAt) / 1_000 + 2)
  },
)

test.skipIf(HAS_NO_REDIS)(
  'a credential with "share: false" has its own token in each sidecar',
  async () => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
    const options = { ...redis, credential: 'share: false' }
    await call(await fleet.start(options))
    expect(await call(await fleet.start(options))).toBe('200 Bearer issued-token-2')
    expect(await hasToken(redis)).toBe(false)
  },
)

test.skipIf(HAS_NO_REDIS)('a revoked token is replaced once for the whole fleet', async () => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  const replicas = await Promise.all([1, 2, 3, 4].map(async () => await fleet.start(redis)))
  await Promise.all(replicas.map(call))
  fleet.accepted = (authorization) => authorization !== 'Bearer issued-token-1'
  const answers = await Promise.all([...replicas, ...replicas, ...replicas].map(call))
  expect(new Set(answers)).toEqual(new Set(['200 Bearer issued-token-2']))
  expect(fleet.endpoint.requests).toHaveLength(2)
})

test.skipIf(HAS_NO_REDIS)(
  'while the API rejects every token, the fleet requests at most one in 10 s',
  async () => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
    const replicas = await Promise.all([1, 2, 3, 4].map(async () => await fleet.start(redis)))
    await Promise.all(replicas.map(call))
    fleet.accepted = () => false
    for (let round = 0; round < 40; round += 1) {
      const answers = await Promise.all(replicas.map(call))
      for (const answer of answers) expect(answer).toMatch(/^401 Bearer issued-token-/)
    }
    expect(fleet.endpoint.requests).toHaveLength(2)
  },
)

test.skipIf(HAS_NO_REDIS)('a wrong secret is tried once by the whole fleet', async () => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  const { createServer: createHttpServer } = await import('node:http')
  let requests = 0
  const server = createHttpServer((_req, res) => {
    requests += 1
    res.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}')
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const config = fleet
    .config(redis)
    .replace(fleet.endpoint.url, `http://127.0.0.1:${portOf(server)}/token`)
  const { startSidecar } = await import('../helpers/sidecar.ts')
  const replicas = await Promise.all([1, 2, 3].map(async () => await startSidecar(config)))
  const answers = await Promise.all(replicas.map(call))
  for (const answer of answers) expect(answer).toMatch(/^502 .*token_rejected/)
  expect(requests).toBe(1)
  server.close()
})

test.skipIf(HAS_NO_REDIS)(
  'neither the store nor its traffic contains a token, a secret or a client name',
  async () => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
    const traffic: Buffer[] = []
    const proxy = createServer((client) => {
      const server = connect(redis.port, '127.0.0.1')
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        from.on('data', (data: Buffer) => traffic.push(data))
        from.on('error', () => to.destroy())
        from.pipe(to)
      }
    })
    await new Promise<void>((resolve) => void proxy.listen(0, '127.0.0.1', resolve))
    const url = `redis://127.0.0.1:${portOf(proxy)}`
    const replicas = await Promise.all([1, 2].map(async () => await fleet.start({ url })))
    await Promise.all(replicas.map(call))
    await until(async () => await hasToken(redis))
    const keys = await keysOf(redis)
    const values = await Promise.all(keys.map(async (key) => await redis.command('GET', key)))
    const dump = [...keys, ...values, Buffer.concat(traffic).toString('latin1')].join('\n')
    expect(dump).toContain(':token')
    for (const text of ['issued-token', FLEET_SECRET, FLEET_CLIENT, STORE_KEY]) {
      expect(dump).not.toContain(text)
      expect(dump).not.toContain(Buffer.from(text).toString('base64url').slice(0, -2))
      expect(dump).not.toContain(Buffer.from(text).toString('hex'))
    }
    for (const replica of replicas) await replica.close()
    proxy.close()
  },
)
