import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { createLog } from '../../../src/observe/logger.ts'
import { createTokenRequestMetrics } from '../../../src/observe/token-request-metrics.ts'
import { type AccessToken, now } from '../../../src/tokens/access-token.ts'
import { createCachedTokenSource } from '../../../src/tokens/cached-token-source.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { issued } from '../../helpers/issued-token.ts'

const { logger } = createLog({ level: 'error', format: 'json', destination: 2 })
const never = new AbortController().signal
const MINUTE = 60_000

/** A source whose token requests wait until the test completes them with `issue` or `fail`. */
function scripted({ leewayMs = MINUTE, jitterMs = 0 } = {}) {
  const clock = createFakeClock()
  const requests: PromiseWithResolvers<AccessToken>[] = []
  const secret = { fingerprint: 'first' }
  const source = createCachedTokenSource(
    async () => {
      const request = Promise.withResolvers<AccessToken>()
      requests.push(request)
      return await request.promise
    },
    {
      refresh: { leewayMs, jitterMs },
      clock,
      random: () => 0.5,
      log: logger,
      metrics: createTokenRequestMetrics(),
      readFingerprint: async () => await Promise.resolve(secret.fingerprint),
    },
  )
  const last = (): PromiseWithResolvers<AccessToken> => {
    const request = requests.at(-1)
    if (request === undefined) throw new Error('nothing was requested')
    return request
  }
  return {
    clock,
    source,
    secret,
    requests,
    async complete(token: AccessToken) {
      last().resolve(token)
      await clock.advance(0)
    },
    async issue(value: string, lifetimeMs: number) {
      last().resolve(issued(value, now(clock), lifetimeMs))
      await clock.advance(0)
    },
    async fail(error: SidecarError) {
      last().reject(error)
      await clock.advance(0)
    },
    value: () => source.current()?.value.reveal(),
  }
}

test('the first get() requests a token, which is then cached', async () => {
  const { source, requests, issue, value } = scripted()
  expect(source.current()).toBeUndefined()
  const first = source.get(never)
  expect(requests).toHaveLength(1)
  await issue('one', 10 * MINUTE)
  expect((await first).value.reveal()).toBe('one')
  expect(value()).toBe('one')
})

test('concurrent callers share one token request', async () => {
  const { source, requests, issue } = scripted()
  const waiting = Array.from({ length: 100 }, async () => await source.get(never))
  await issue('one', 10 * MINUTE)
  const values = (await Promise.all(waiting)).map(({ value }) => value.reveal())
  expect(new Set(values)).toEqual(new Set(['one']))
  expect(requests).toHaveLength(1)
})

test('an aborted caller does not cancel the token request of others', async () => {
  const { source, requests, issue } = scripted()
  const client = new AbortController()
  const first = source.get(client.signal)
  const second = source.get(never)
  client.abort(new Error('client closed'))
  await expect(first).rejects.toThrow('client closed')
  await issue('one', 10 * MINUTE)
  expect((await second).value.reveal()).toBe('one')
  expect(requests).toHaveLength(1)
})

test('a token in use is renewed in the background before it expires', async () => {
  const { source, clock, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  expect(value()).toBe('one')
  await clock.advance(9 * MINUTE - 1)
  expect(requests).toHaveLength(1)
  await clock.advance(1)
  expect(requests).toHaveLength(2)
  expect(value()).toBe('one')
  await issue('two', 10 * MINUTE)
  expect(value()).toBe('two')
})

test('a token with a short lifetime is renewed at half of it', async () => {
  const { source, clock, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 20_000)
  value()
  await clock.advance(9_999)
  expect(requests).toHaveLength(1)
  await clock.advance(1)
  expect(requests).toHaveLength(2)
})

test('an idle token is renewed when it is next used', async () => {
  const { source, clock, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  await clock.advance(9.5 * MINUTE)
  expect(requests).toHaveLength(1)
  // The cached token is returned without waiting for its renewal.
  expect(value()).toBe('one')
  expect(requests).toHaveLength(2)
})

test('an idle token that has expired is requested on demand', async () => {
  const { source, clock, requests, issue } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  await clock.advance(60 * MINUTE)
  expect(requests).toHaveLength(1)
  expect(source.current()).toBeUndefined()
  const next = source.get(never)
  await issue('two', 10 * MINUTE)
  expect((await next).value.reveal()).toBe('two')
})

test('an expired token is not returned after its renewal has failed', async () => {
  const { source, clock, issue, fail, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  value()
  await clock.advance(9 * MINUTE)
  await fail(new SidecarError('token_unavailable', 'Cannot reach it'))
  expect(value()).toBe('one')
  await clock.advance(MINUTE)
  expect(value()).toBeUndefined()
})

test('a token that expired while the machine was suspended is not returned', async () => {
  const { source, clock, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  clock.suspend(11 * MINUTE)
  expect(value()).toBeUndefined()
})

test('a wall clock that is set back does not extend the lifetime of a token', async () => {
  const { source, clock, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  clock.stepWall(-60 * MINUTE)
  expect(value()).toBe('one')
  await clock.advance(10 * MINUTE)
  expect(value()).toBeUndefined()
})

test('during the back-off, get() fails fast with the time until the next attempt', async () => {
  const { source, clock, requests, fail } = scripted()
  const first = source.get(never)
  await fail(new SidecarError('token_rejected', 'Cannot get it', { oauthError: 'invalid_client' }))
  await expect(first).rejects.toMatchObject({ code: 'token_rejected', retryAfterMs: MINUTE })
  await clock.advance(20_000)
  await expect(source.get(never)).rejects.toMatchObject({
    code: 'token_rejected',
    oauthError: 'invalid_client',
    retryAfterMs: 40_000,
  })
  expect(requests).toHaveLength(1)
})

test('a failed token request is retried in the background until one succeeds', async () => {
  const { source, clock, requests, issue, fail, value } = scripted()
  source.prepare()
  await fail(new SidecarError('token_unavailable', 'Cannot reach it'))
  await clock.advance(250) // half of the first bound, 500 ms
  expect(requests).toHaveLength(2)
  await fail(new SidecarError('token_unavailable', 'Cannot reach it'))
  await clock.advance(499)
  expect(requests).toHaveLength(2)
  await clock.advance(1)
  expect(requests).toHaveLength(3)
  await issue('one', 10 * MINUTE)
  expect(value()).toBe('one')
  expect(source.state().failure).toBeUndefined()
})

test('Retry-After of the authorization server delays the next attempt', async () => {
  const { source, clock, requests, fail } = scripted()
  source.prepare()
  await fail(new SidecarError('token_unavailable', 'Cannot', { retryAfterMs: 20_000 }))
  await clock.advance(19_999)
  expect(requests).toHaveLength(1)
  await clock.advance(1)
  expect(requests).toHaveLength(2)
})

test('the number of token requests during an outage of a day is bounded', async () => {
  const { source, clock, requests, fail } = scripted()
  source.prepare()
  const error = new SidecarError('token_unavailable', 'Cannot reach it')
  const day = 24 * 60 * MINUTE
  while (clock.monotonicMs() < day) {
    const before = requests.length
    await fail(error)
    while (requests.length === before) await clock.advance(1_000)
  }
  // At most every 15 s on average (half of the bound), after the first few.
  expect(requests.length).toBeLessThan(day / 15_000 + 20)
})

test('a closed source does not renew its token', async () => {
  const { source, clock, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  value()
  source.close()
  await clock.advance(20 * MINUTE)
  expect(requests).toHaveLength(1)
})

test('a rejected token is dropped, and one token request replaces it for all callers', async () => {
  const { source, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  const rejected = source.current()
  if (rejected === undefined) throw new Error('no token')
  const first = source.replace(rejected, never)
  const second = source.replace(rejected, never)
  expect(value()).toBeUndefined()
  expect(requests).toHaveLength(2)
  await issue('two', 10 * MINUTE)
  expect((await first)?.value.reveal()).toBe('two')
  expect((await second)?.value.reveal()).toBe('two')
  // A late rejection of the first token does not replace the second one.
  expect((await source.replace(rejected, never))?.value.reveal()).toBe('two')
  expect(requests).toHaveLength(2)
})

test('a rejected token that the fleet does not replace remains in use, and is tried again after a second', async () => {
  const { source, clock, requests, complete } = scripted()
  source.prepare()
  const one = issued('one', now(clock), 10 * MINUTE)
  await complete(one)
  const replaced = source.replace(one, never)
  await complete(one)
  expect(await replaced).toBe(one)
  expect(source.current()).toBe(one)
  expect(source.replace(one, never)).toBeUndefined()
  await clock.advance(1_000)
  expect(source.replace(one, never)).toBeDefined()
  expect(requests).toHaveLength(3)
})

test('a token is replaced at most once in ten seconds', async () => {
  const { source, clock, requests, issue } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  const one = source.current()
  if (one === undefined) throw new Error('no token')
  void source.replace(one, never)
  await issue('two', 10 * MINUTE)
  const two = source.current()
  if (two === undefined) throw new Error('no token')
  expect(source.replace(two, never)).toBeUndefined()
  expect(source.current()).toBe(two)
  await clock.advance(10_000)
  expect(source.replace(two, never)).toBeDefined()
  expect(requests).toHaveLength(3)
})

test('a rejected token is not dropped during the back-off', async () => {
  const { source, clock, requests, issue, fail, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  const one = source.current()
  if (one === undefined) throw new Error('no token')
  await clock.advance(9 * MINUTE)
  await fail(new SidecarError('token_unavailable', 'Cannot', { retryAfterMs: 30_000 }))
  expect(source.replace(one, never)).toBeUndefined()
  expect(value()).toBe('one')
  expect(requests).toHaveLength(2)
})

test('at most 10 000 callers wait for a token, and one more gets a Retry-After', async () => {
  const { source, issue } = scripted()
  const waiting = Array.from({ length: 10_000 }, async () => await source.get(never))
  expect(source.state().waiting).toBe(10_000)
  await expect(source.get(never)).rejects.toMatchObject({
    code: 'token_unavailable',
    retryAfterMs: 1_000,
  })
  await issue('one', 10 * MINUTE)
  await Promise.all(waiting)
  expect(source.state().waiting).toBe(0)
})

test('a rejected token request is retried as soon as the secret changes', async () => {
  const { source, clock, secret, requests, issue, fail, value } = scripted()
  source.prepare()
  await fail(new SidecarError('token_rejected', 'Cannot', { oauthError: 'invalid_client' }))
  await clock.advance(20_000)
  expect(requests).toHaveLength(1)
  secret.fingerprint = 'second'
  await clock.advance(2_000)
  expect(requests).toHaveLength(2)
  await issue('one', 10 * MINUTE)
  expect(value()).toBe('one')
  secret.fingerprint = 'third'
  await clock.advance(10_000)
  expect(requests).toHaveLength(2)
})

test('renew() fails fast during the back-off and requests a token after it', async () => {
  const { source, clock, requests, issue, fail } = scripted()
  source.prepare()
  await fail(new SidecarError('token_unavailable', 'Cannot', { retryAfterMs: MINUTE }))
  await expect(source.renew()).rejects.toMatchObject({
    code: 'token_unavailable',
    retryAfterMs: MINUTE,
  })
  expect(requests).toHaveLength(1)
  await clock.advance(MINUTE)
  const renewed = source.renew()
  expect(requests).toHaveLength(2)
  await issue('one', 10 * MINUTE)
  expect((await renewed).value.reveal()).toBe('one')
})

test('a token that was obtained for waiting callers is renewed in the background', async () => {
  const { source, clock, requests, issue } = scripted()
  const first = source.get(never)
  await issue('one', 10 * MINUTE)
  await first
  await clock.advance(9 * MINUTE)
  expect(requests).toHaveLength(2)
})

test.for([1_000, 5_000, 30_000])(
  'tokens with a lifetime of %d ms are renewed before they expire, 20 times in a row',
  async (lifetimeMs) => {
    const { source, clock, requests, issue, value } = scripted()
    source.prepare()
    for (let round = 1; round <= 20; round += 1) {
      await issue(`token-${round}`, lifetimeMs)
      expect(value()).toBe(`token-${round}`)
      while (requests.length === round) {
        await clock.advance(lifetimeMs / 100)
        expect(value()).toBe(`token-${round}`)
      }
    }
    expect(clock.monotonicMs()).toBeGreaterThan(20 * lifetimeMs * 0.4)
  },
)

test('a lifetime that exceeds the longest timer of Node is renewed in time', async () => {
  const { source, clock, requests, issue, value } = scripted()
  const days = 24 * 60 * MINUTE
  source.prepare()
  await issue('one', 60 * days)
  expect(value()).toBe('one')
  await clock.advance(59 * days)
  expect(value()).toBe('one')
  expect(requests).toHaveLength(1)
  await clock.advance(days - MINUTE)
  expect(requests).toHaveLength(2)
})
