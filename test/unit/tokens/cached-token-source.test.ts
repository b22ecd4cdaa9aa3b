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

/** A source whose every request waits until the test answers it. */
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

test('there is no token before the first has come', async () => {
  const { source, requests, issue, value } = scripted()
  expect(source.current()).toBeUndefined()
  const first = source.get(never)
  expect(requests).toHaveLength(1)
  await issue('one', 10 * MINUTE)
  expect((await first).value.reveal()).toBe('one')
  expect(value()).toBe('one')
})

test('all who wait get the token of the one request', async () => {
  const { source, requests, issue } = scripted()
  const waiting = Array.from({ length: 100 }, async () => await source.get(never))
  await issue('one', 10 * MINUTE)
  const values = (await Promise.all(waiting)).map(({ value }) => value.reveal())
  expect(new Set(values)).toEqual(new Set(['one']))
  expect(requests).toHaveLength(1)
})

test('a caller that gives up does not cancel the others', async () => {
  const { source, requests, issue } = scripted()
  const impatient = new AbortController()
  const first = source.get(impatient.signal)
  const second = source.get(never)
  impatient.abort(new Error('client went away'))
  await expect(first).rejects.toThrow('client went away')
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

test('a short token is renewed at half of its life', async () => {
  const { source, clock, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 20_000)
  value()
  await clock.advance(9_999)
  expect(requests).toHaveLength(1)
  await clock.advance(1)
  expect(requests).toHaveLength(2)
})

test('an idle token is not renewed until somebody wants it again', async () => {
  const { source, clock, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  await clock.advance(9.5 * MINUTE)
  expect(requests).toHaveLength(1)
  // Wanted while it still is good: served at once, and renewed meanwhile.
  expect(value()).toBe('one')
  expect(requests).toHaveLength(2)
})

test('an idle token that has expired is fetched on demand', async () => {
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

test('an expired token is never given out, however the renewal fares', async () => {
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

test('a machine that slept does not send the token that expired meanwhile', async () => {
  const { source, clock, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  clock.suspend(11 * MINUTE)
  expect(value()).toBeUndefined()
})

test('a wall clock that is set back does not lengthen a life', async () => {
  const { source, clock, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  clock.stepWall(-60 * MINUTE)
  expect(value()).toBe('one')
  await clock.advance(10 * MINUTE)
  expect(value()).toBeUndefined()
})

test('after a failure, those who ask fail at once with the time to the next attempt', async () => {
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

test('attempts go on by themselves until one succeeds', async () => {
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

test('Retry-After of the server is waited for', async () => {
  const { source, clock, requests, fail } = scripted()
  source.prepare()
  await fail(new SidecarError('token_unavailable', 'Cannot', { retryAfterMs: 20_000 }))
  await clock.advance(19_999)
  expect(requests).toHaveLength(1)
  await clock.advance(1)
  expect(requests).toHaveLength(2)
})

test('an outage of a day costs a bounded number of attempts', async () => {
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

test('a closed source renews nothing', async () => {
  const { source, clock, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  value()
  source.close()
  await clock.advance(20 * MINUTE)
  expect(requests).toHaveLength(1)
})

test('a refused token is dropped, and one request serves all who were refused', async () => {
  const { source, requests, issue, value } = scripted()
  source.prepare()
  await issue('one', 10 * MINUTE)
  const refused = source.current()
  if (refused === undefined) throw new Error('no token')
  const first = source.replace(refused, never)
  const second = source.replace(refused, never)
  expect(value()).toBeUndefined()
  expect(requests).toHaveLength(2)
  await issue('two', 10 * MINUTE)
  expect((await first)?.value.reveal()).toBe('two')
  expect((await second)?.value.reveal()).toBe('two')
  // Late news of the first token says nothing about the second.
  expect((await source.replace(refused, never))?.value.reveal()).toBe('two')
  expect(requests).toHaveLength(2)
})

test('a token is not replaced again within ten seconds, but after that', async () => {
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

test('a token is not dropped while the server is being left alone', async () => {
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

test('so many may wait, and one more is told to come back', async () => {
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

test('a refusal is tried again as soon as the secret is another', async () => {
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

test('renewal on request honours the back-off, and asks at once when it is over', async () => {
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

test('a token that waiters used is renewed like one that is in use', async () => {
  const { source, clock, requests, issue } = scripted()
  const first = source.get(never)
  await issue('one', 10 * MINUTE)
  await first
  await clock.advance(9 * MINUTE)
  expect(requests).toHaveLength(2)
})

test.for([1_000, 5_000, 30_000])(
  'a life of %d ms is renewed in time, over and over',
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

test('a life of months outlasts the longest timer', async () => {
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
