import { expect, test } from 'vitest'
import { call, createFleet, metricOf, storeLogOf } from '../helpers/fleet.ts'
import { HAS_NO_REDIS, startRedis, startRedisCluster, startSentinels } from '../helpers/redis.ts'
import type { RunningSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const UNAVAILABLE = 'token store unavailable: this sidecar requests its own tokens'
const AVAILABLE = 'token store available again'

/** Requests without a pause until `isDone`; each has to succeed. */
async function keepCalling(
  replicas: readonly RunningSidecar[],
  isDone: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!(await isDone())) {
    const answers = await Promise.all(replicas.map(call))
    for (const answer of answers) expect(answer).toMatch(/^200 Bearer issued-token-/)
  }
}

async function isUp(sidecar: RunningSidecar): Promise<boolean> {
  return (await metricOf(sidecar, 'token_sidecar_token_store_up')) === 1
}

async function hasLogged(sidecar: RunningSidecar, message: string): Promise<boolean> {
  return (await storeLogOf(sidecar)).some((line) => line.startsWith(message))
}

test.skipIf(HAS_NO_REDIS).for([
  [
    'is killed',
    'SIGKILL',
    [
      'connection refused',
      'connection reset by peer',
      'the connection was lost',
      'no reply within the time limit',
    ],
  ],
  ['is paused', 'SIGSTOP', ['no reply within the time limit']],
] as const)(
  'no request fails while the store %s and when it is back',
  async ([, signal, reasons]) => {
    const [redis, fleet] = await Promise.all([startRedis(), createFleet({ lifetimeSeconds: 2 })])
    const replicas = await Promise.all([1, 2, 3].map(async () => await fleet.start(redis)))
    await keepCalling(replicas, () => fleet.endpoint.requests.length >= 2)
    redis.kill(signal)
    const before = fleet.endpoint.requests.length
    await keepCalling(
      replicas,
      async () =>
        fleet.endpoint.requests.length >= before + 6 &&
        (await Promise.all(replicas.map(async (each) => await hasLogged(each, UNAVAILABLE)))).every(
          Boolean,
        ),
    )
    if (signal === 'SIGSTOP') redis.kill('SIGCONT')
    else await redis.start()
    await keepCalling(replicas, async () => (await Promise.all(replicas.map(isUp))).every(Boolean))
    for (const replica of replicas) {
      const [down = '', up, ...more] = await storeLogOf(replica)
      expect(down.startsWith(UNAVAILABLE)).toBe(true)
      // The reason depends on what comes first: the reset of the connection or the next operation.
      expect(reasons).toContain(down.slice(UNAVAILABLE.length + 2))
      expect([up, ...more]).toEqual([AVAILABLE])
    }
  },
)

test.skipIf(HAS_NO_REDIS).for([
  {
    fault: 'requires a password',
    settings: ['--requirepass', 'secret'],
    reason: 'it requires a password',
  },
  {
    fault: 'has another password',
    settings: ['--requirepass', 'secret'],
    store: 'password: { value: wrong }',
    reason: 'it rejects the user name or the password',
    repaired: ['--requirepass', 'wrong'],
  },
  {
    fault: 'has no password',
    settings: [],
    store: 'password: { value: wrong }',
    reason: 'it has no password, but one is configured',
    repaired: ['--requirepass', 'wrong'],
  },
  {
    fault: 'is full',
    settings: ['--maxmemory', '1'],
    reason: 'its memory is full ("maxmemory")',
  },
  {
    fault: 'is a read-only replica',
    settings: ['--replicaof', '127.0.0.1', '1', '--replica-serve-stale-data', 'yes'],
    reason: 'it is read-only, as a replica is',
  },
  {
    fault: 'is a replica without its primary',
    settings: ['--replicaof', '127.0.0.1', '1', '--replica-serve-stale-data', 'no'],
    reason: 'it is a replica that has lost its primary',
  },
  {
    fault: 'lacks a replica that it needs for a write',
    settings: ['--min-replicas-to-write', '1'],
    reason: 'it has too few replicas to accept a write',
  },
  {
    fault: 'denies a command',
    settings: ['--user', 'default', 'on', 'nopass', '~*', '+@all', '-eval'],
    reason: 'its access rules deny a command: SET, GET, PTTL, DEL, EVAL and PING are needed',
  },
  {
    fault: 'is part of a cluster',
    settings: ['--cluster-enabled', 'yes'],
    reason: 'the cluster is down: slots without a server, or no quorum',
  },
])(
  'a sidecar whose store $fault requests its own token and logs the reason once',
  async ({ settings, store, reason, repaired = [] }) => {
    const [redis, fleet] = await Promise.all([startRedis(...settings), createFleet()])
    const sidecar = await fleet.start({ ...redis, ...(store !== undefined && { store }) })
    expect(await call(sidecar)).toBe('200 Bearer issued-token-1')
    await until(async () => await hasLogged(sidecar, UNAVAILABLE))
    expect(await storeLogOf(sidecar)).toEqual([`${UNAVAILABLE}: ${reason}`])
    expect(await metricOf(sidecar, 'token_sidecar_token_store_up')).toBe(0)
    await redis.start(...repaired)
    await until(async () => await isUp(sidecar))
    expect(await storeLogOf(sidecar)).toEqual([`${UNAVAILABLE}: ${reason}`, AVAILABLE])
  },
)

test.skipIf(HAS_NO_REDIS).for([
  { fault: 'garbage', command: 'SET' },
  { fault: 'another type', command: 'RPUSH' },
])('an entry that is $fault is replaced', async ({ command }) => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  const first = await fleet.start(redis)
  await call(first)
  let name = ''
  await until(async () => {
    const keys = await redis.command('KEYS', '*:token')
    name = Array.isArray(keys) ? String(keys[0] ?? '') : ''
    return name !== ''
  })
  await redis.command('DEL', name)
  await redis.command(command, name, 'not an entry')
  const second = await fleet.start(redis)
  expect(await call(second)).toBe('200 Bearer issued-token-2')
  await until(async () => (await redis.command('TYPE', name)) === 'string')
  const third = await fleet.start(redis)
  await until(async () => (await call(third)) === '200 Bearer issued-token-2')
  expect(fleet.endpoint.requests).toHaveLength(2)
  expect(await metricOf(second, 'token_sidecar_token_store_ignored_entries_total')).toBeGreaterThan(
    0,
  )
})

test.skipIf(HAS_NO_REDIS)('an evicted token is requested again by one sidecar', async () => {
  const [redis, fleet] = await Promise.all([startRedis(), createFleet()])
  await call(await fleet.start(redis))
  await until(async () => Number(await redis.command('DBSIZE')) > 0)
  await redis.command('FLUSHALL')
  const replicas = await Promise.all([1, 2].map(async () => await fleet.start(redis)))
  expect(await Promise.all(replicas.map(call))).toEqual([
    '200 Bearer issued-token-2',
    '200 Bearer issued-token-2',
  ])
})

test.skipIf(HAS_NO_REDIS)(
  'a fleet shares its token in a cluster of three, and goes on when one node fails',
  async () => {
    const [cluster, fleet] = await Promise.all([
      startRedisCluster(),
      createFleet({ lifetimeSeconds: 2 }),
    ])
    const options = { url: `[${cluster.urls.join(', ')}]`, store: 'mode: cluster' }
    const replicas = await Promise.all([1, 2, 3].map(async () => await fleet.start(options)))
    expect(new Set(await Promise.all(replicas.map(call))).size).toBe(1)
    expect(fleet.endpoint.requests).toHaveLength(1)
    for (const server of cluster.servers) server.kill('SIGKILL')
    const before = fleet.endpoint.requests.length
    await keepCalling(replicas, () => fleet.endpoint.requests.length >= before + 3)
  },
)

test.skipIf(HAS_NO_REDIS)('a fleet follows the primary that Sentinel elects', async () => {
  const [sentinels, fleet] = await Promise.all([
    startSentinels(),
    createFleet({ lifetimeSeconds: 2 }),
  ])
  const options = { url: `[${sentinels.urls.join(', ')}]`, store: 'mode: sentinel' }
  const replicas = await Promise.all([1, 2].map(async () => await fleet.start(options)))
  expect(new Set(await Promise.all(replicas.map(call))).size).toBe(1)
  expect(fleet.endpoint.requests).toHaveLength(1)
  sentinels.primary.kill('SIGKILL')
  await keepCalling(replicas, async () => {
    const role = await sentinels.replica.command('ROLE').catch(() => [])
    return Array.isArray(role) && String(role[0]) === 'master'
  })
  await keepCalling(replicas, async () => (await Promise.all(replicas.map(isUp))).every(Boolean))
})
