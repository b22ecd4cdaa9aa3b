import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { createTokenStoreMetrics } from '../../../src/observe/token-store-metrics.ts'
import { type AccessToken, now } from '../../../src/tokens/access-token.ts'
import { createSharedTokenRequest } from '../../../src/tokens/shared-token-request.ts'
import { createStoreKey } from '../../../src/tokens/store-keys.ts'
import type { TokenRequest } from '../../../src/tokens/token-source.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { issued } from '../../helpers/issued-token.ts'
import { createMemoryTokenStore } from '../../helpers/memory-token-store.ts'

const MINUTE = 60_000
const KEY = 'a key of the store with more than 32 characters'

/** A fleet whose replicas share one store and one clock. */
function createFleet() {
  const clock = createFakeClock()
  const store = createMemoryTokenStore(clock)
  const metrics = createTokenStoreMetrics()
  let requests = 0
  /** The result of each token request. */
  const server = {
    respond: (own: Clock): AccessToken | Promise<AccessToken> =>
      issued(`token-${requests}`, now(own), 5 * MINUTE),
  }
  const createReplica = ({ keys = [KEY], describe = 'client', wallOffsetMs = 0 } = {}) => {
    const own = { ...clock, wallMs: () => clock.wallMs() + wallOffsetMs }
    return createSharedTokenRequest(
      async () => {
        requests += 1
        return await server.respond(own)
      },
      {
        store,
        keys: async () => await Promise.resolve(keys.map((key) => createStoreKey(key, 'ts:'))),
        describe: async () => await Promise.resolve(describe),
        dpop: undefined,
        timeoutMs: 10_000,
        metrics,
        clock: own,
        random: () => 0.5,
      },
    )
  }
  return { clock, store, metrics, server, createReplica, requests: () => requests }
}

async function textOf(token: Promise<AccessToken>): Promise<string> {
  return (await token).value.reveal()
}

const missing = { reason: 'missing' } as const

/** A token that another replica has stored. */
async function obtained(request: TokenRequest): Promise<AccessToken> {
  const token = await request()
  // It is stored after the caller has it.
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
  return token
}

test('a second replica takes the token of the first from the store', async () => {
  const { createReplica, requests } = createFleet()
  await obtained(createReplica())
  const token = await createReplica()()
  expect(token.value.reveal()).toBe('token-1')
  expect(token.isShared).toBe(true)
  expect(requests()).toBe(1)
})

test('a stored token expires here when it expires at the replica that requested it', async () => {
  const { createReplica, clock } = createFleet()
  const first = await obtained(createReplica())
  await clock.advance(2 * MINUTE)
  const second = await createReplica()()
  expect(second.usableUntil).toEqual(first.usableUntil)
  expect(second.lifetimeMs).toBe(first.lifetimeMs)
})

test('replicas that want a token at the same time wait for one request', async () => {
  const { createReplica, clock, server, requests } = createFleet()
  const response = Promise.withResolvers<AccessToken>()
  server.respond = async () => await response.promise
  const waiting = [createReplica()(), createReplica()(), createReplica()()]
  await clock.advance(1_000)
  expect(requests()).toBe(1)
  response.resolve(issued('the token', now(clock), 5 * MINUTE))
  await clock.advance(200)
  expect(await Promise.all(waiting.map(textOf))).toEqual(['the token', 'the token', 'the token'])
  expect(requests()).toBe(1)
})

test('after the time limit of a token request a replica no longer waits for another', async () => {
  const { createReplica, clock, server, requests } = createFleet()
  server.respond = async () => await new Promise(() => {})
  void createReplica()()
  await clock.advance(100)
  server.respond = () => issued('own token', now(clock), 5 * MINUTE)
  const second = createReplica()()
  await clock.advance(10_200)
  expect(await textOf(second)).toBe('own token')
  expect(requests()).toBe(2)
})

test('when the request of the lock holder fails, the next replica sends its own', async () => {
  const { createReplica, clock, server, requests } = createFleet()
  const response = Promise.withResolvers<AccessToken>()
  server.respond = async () => await response.promise
  const first = createReplica()()
  const second = createReplica()()
  await clock.advance(100)
  response.reject(new SidecarError('token_unavailable', 'status 500'))
  await expect(first).rejects.toThrow('status 500')
  server.respond = () => issued('second try', now(clock), 5 * MINUTE)
  await clock.advance(200)
  expect(await textOf(second)).toBe('second try')
  expect(requests()).toBe(2)
})

test('a renewal takes a stored token only if it expires later', async () => {
  const { createReplica, clock, requests } = createFleet()
  const [first, second] = [createReplica(), createReplica()]
  const current = await obtained(first)
  await clock.advance(4 * MINUTE)
  const renewed = await first(undefined, { reason: 'renewal', current })
  expect(renewed.value.reveal()).toBe('token-2')
  await clock.advance(100)
  const other = await second(undefined, { reason: 'renewal', current })
  expect(other.value.reveal()).toBe('token-2')
  expect(requests()).toBe(2)
})

test('a forced renewal requests a token although the store has one', async () => {
  const { createReplica, requests } = createFleet()
  await obtained(createReplica())
  expect(await textOf(createReplica()(undefined, { reason: 'forced' }))).toBe('token-2')
  expect(requests()).toBe(2)
})

test('an expired token in the store is not used', async () => {
  const { createReplica, clock } = createFleet()
  await obtained(createReplica())
  await clock.advance(5 * MINUTE)
  expect(await textOf(createReplica()())).toBe('token-2')
})

test('a rejected token is replaced once for the whole fleet', async () => {
  const { createReplica, clock, requests } = createFleet()
  const replicas = [createReplica(), createReplica(), createReplica()]
  const current = await obtained(createReplica())
  const replacing = replicas.map((each) => each(undefined, { reason: 'rejected', current }))
  await clock.advance(500)
  expect(await Promise.all(replacing.map(textOf))).toEqual(['token-2', 'token-2', 'token-2'])
  expect(requests()).toBe(2)
})

test('a token that is rejected within 10 s of a replacement is not replaced again', async () => {
  const { createReplica, clock, requests } = createFleet()
  const [first, second] = [createReplica(), createReplica()]
  const current = await obtained(first)
  const replacement = await first(undefined, { reason: 'rejected', current })
  await clock.advance(5_000)
  const again = second(undefined, { reason: 'rejected', current: replacement })
  await clock.advance(100)
  expect(await again).toBe(replacement)
  await clock.advance(5_000)
  const later = second(undefined, { reason: 'rejected', current: replacement })
  await clock.advance(100)
  expect(await textOf(later)).toBe('token-3')
  expect(requests()).toBe(3)
})

test('the replacement of a rejected token is stored even if it expires earlier', async () => {
  const { createReplica, clock, server } = createFleet()
  const replica = createReplica()
  const current = await obtained(replica)
  server.respond = () => issued('short-lived', now(clock), MINUTE)
  await replica(undefined, { reason: 'rejected', current })
  await clock.advance(100)
  expect(await textOf(createReplica()())).toBe('short-lived')
})

test('a rejection by the authorization server is a back-off for the whole fleet', async () => {
  const { createReplica, clock, server, requests } = createFleet()
  server.respond = () => {
    throw new SidecarError('token_rejected', 'invalid_client', { oauthError: 'invalid_client' })
  }
  await expect(createReplica()()).rejects.toThrow('invalid_client')
  await clock.advance(20_000)
  const failure = await createReplica()().catch((cause: unknown) => cause)
  expect(failure).toMatchObject({
    code: 'token_rejected',
    oauthError: 'invalid_client',
    backoffMs: 40_000,
  })
  expect(requests()).toBe(1)
  await clock.advance(40_000)
  await expect(createReplica()()).rejects.toThrow('invalid_client')
  expect(requests()).toBe(2)
})

test('Retry-After of the authorization server is a back-off for the whole fleet', async () => {
  const { createReplica, clock, server, requests } = createFleet()
  server.respond = () => {
    throw new SidecarError('token_unavailable', 'status 429', { retryAfterMs: 30_000 })
  }
  await expect(createReplica()()).rejects.toThrow('status 429')
  await clock.advance(100)
  await expect(createReplica()()).rejects.toMatchObject({ retryAfterMs: 29_900 })
  expect(requests()).toBe(1)
})

test('a failure to reach the authorization server concerns one replica only', async () => {
  const { createReplica, clock, server, requests } = createFleet()
  server.respond = () => {
    throw new SidecarError('token_unavailable', 'connection refused')
  }
  await expect(createReplica()()).rejects.toThrow('connection refused')
  await clock.advance(100)
  await expect(createReplica()()).rejects.toThrow('connection refused')
  expect(requests()).toBe(2)
})

test('a replica with another secret does not share the token or the back-off', async () => {
  const { createReplica, server, clock, requests } = createFleet()
  server.respond = () => {
    throw new SidecarError('token_rejected', 'invalid_client')
  }
  await expect(createReplica({ describe: 'old secret' })()).rejects.toThrow('invalid_client')
  server.respond = () => issued('token of the new secret', now(clock), MINUTE)
  expect(await textOf(createReplica({ describe: 'new secret' })())).toBe('token of the new secret')
  expect(requests()).toBe(2)
})

test('while the store fails, each replica requests its own token', async () => {
  const { createReplica, store, requests } = createFleet()
  store.setFailing(true)
  expect(await textOf(createReplica()())).toBe('token-1')
  expect(await textOf(createReplica()())).toBe('token-2')
  expect(requests()).toBe(2)
})

test('an entry that cannot be opened is counted, ignored and replaced', async () => {
  const { createReplica, store, metrics, clock } = createFleet()
  await obtained(createReplica())
  const entry = [...store.entries].find(([key]) => key.endsWith(':token'))?.[1]
  if (entry === undefined) throw new Error('nothing was stored')
  entry.text = '99999999999999.1.AAAAAAAA.AAAA'
  expect(await textOf(createReplica()())).toBe('token-2')
  expect(metrics.read().ignored).toBeGreaterThan(0)
  await clock.advance(100)
  expect(await textOf(createReplica()())).toBe('token-2')
})

test('during a rotation of keys, replicas read the entries of both keys', async () => {
  const { createReplica, requests } = createFleet()
  const [before, after] = [KEY, `${KEY} (new)`]
  await obtained(createReplica({ keys: [before, after] }))
  expect(await textOf(createReplica({ keys: [after, before] })())).toBe('token-1')
  expect(requests()).toBe(1)
})

test('a token from a replica whose clock is too far ahead is not used', async () => {
  const { createReplica, requests } = createFleet()
  await obtained(createReplica({ wallOffsetMs: MINUTE }))
  expect(await textOf(createReplica()())).toBe('token-2')
  expect(requests()).toBe(2)
})

test('a slow clock does not prolong the life of a stored token', async () => {
  const { createReplica, clock } = createFleet()
  await obtained(createReplica())
  await clock.advance(4 * MINUTE)
  const slow = await createReplica({ wallOffsetMs: -20_000 })()
  expect(slow.usableUntil.monotonicMs).toBeLessThanOrEqual(clock.monotonicMs() + MINUTE)
})

test('nothing is stored under a name or in a text that contains the token', async () => {
  const { createReplica, store } = createFleet()
  await obtained(createReplica({ describe: 'billing-client' }))
  const dump = JSON.stringify([...store.entries])
  expect(dump).toContain(':token')
  expect(dump).not.toMatch(/token-1|billing-client/)
})

test('a replica whose keys cannot be read requests its own token', async () => {
  const { createReplica } = createFleet()
  expect(await textOf(createReplica({ keys: [] })(undefined, missing))).toBe('token-1')
})
