import { expect, test } from 'vitest'
import { HAS_NO_REDIS, type RedisServer, startRedis } from '../helpers/redis.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint, type TokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const KEY = 'a key of the store with more than 32 characters'
const SECRET = 'the-client-secret'
const CLIENT = 'billing-client'

type Fleet = {
  readonly endpoint: Pick<TokenEndpoint, 'url'>
  readonly upstream: string
  readonly url: string
  readonly store?: string
  readonly credential?: string
}

/** One replica of a fleet. */
async function startReplica({
  endpoint,
  upstream,
  url,
  store = '',
  credential = '',
}: Fleet): Promise<RunningSidecar> {
  return await startSidecar(`
tokenStore: { url: "${url}", keys: [{ value: "${KEY}" }], ${store} }
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: ${CLIENT}
    auth: { clientSecret: { value: ${SECRET} } }
    ${credential}
routes:
  - { name: api, match: { path: / }, upstream: "${upstream}", credential: corp }
`)
}

/** An API that responds with the `Authorization` that it receives. */
async function startApi(): Promise<string> {
  return await startServer((req, res) => res.end(req.headers.authorization))
}

async function startCountingEndpoint(lifetimeSeconds = 300): Promise<TokenEndpoint> {
  let issued = 0
  return await startTokenEndpoint((_request, res) => {
    issued += 1
    sendToken(res, { access_token: `issued-token-${issued}`, expires_in: lifetimeSeconds })
  })
}

async function callOf({ proxyUrl }: RunningSidecar): Promise<string> {
  const response = await fetch(proxyUrl)
  return `${response.status} ${await response.text()}`
}

async function metric({ adminUrl }: RunningSidecar, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  const [, value] = new RegExp(`^${name} (\\S+)$`, 'm').exec(text.replaceAll(/[{}]/g, '~')) ?? []
  return value === undefined ? undefined : Number(value)
}

async function keysOf(server: RedisServer): Promise<string[]> {
  const keys = await server.command('KEYS', '*')
  return Array.isArray(keys) ? keys.map(String).toSorted() : []
}

test.skipIf(HAS_NO_REDIS)('ten sidecars that start together send one token request', async () => {
  const [redis, endpoint, upstream] = await Promise.all([
    startRedis(),
    startCountingEndpoint(),
    startApi(),
  ])
  const fleet = { endpoint, upstream, url: redis.url }
  const replicas = await Promise.all(Array.from({ length: 10 }, () => startReplica(fleet)))
  const answers = await Promise.all(replicas.map(callOf))
  expect(new Set(answers)).toEqual(new Set(['200 Bearer issued-token-1']))
  expect(endpoint.requests).toHaveLength(1)
})

test.skipIf(HAS_NO_REDIS)('a restarted sidecar uses the token in the store', async () => {
  const [redis, endpoint, upstream] = await Promise.all([
    startRedis(),
    startCountingEndpoint(),
    startApi(),
  ])
  const fleet = { endpoint, upstream, url: redis.url }
  const first = await startReplica(fleet)
  await callOf(first)
  await until(async () => (await keysOf(redis)).some((key) => key.endsWith(':token')))
  await first.close()
  const second = await startReplica(fleet)
  expect(await callOf(second)).toBe('200 Bearer issued-token-1')
  expect(endpoint.requests).toHaveLength(1)
  expect(
    await metric(second, 'token_sidecar_tokens_obtained_total~credential="corp",reason="shared"~'),
  ).toBe(1)
})
