import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { createLog } from '../../../src/observe/logger.ts'
import { type AccessToken, now } from '../../../src/tokens/access-token.ts'
import { createKeptToken } from '../../../src/tokens/kept-token.ts'
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
  const source = createKeptToken(
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
