import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { now } from '../../../src/tokens/access-token.ts'
import {
  failureFromText,
  failureToText,
  tokenFromText,
  tokenToText,
} from '../../../src/tokens/token-entry.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { issued } from '../../helpers/issued-token.ts'

const MINUTE = 60_000

test('a token is read with its expiry on the clocks of the reader', async () => {
  const clock = createFakeClock()
  const text = tokenToText(issued('one', now(clock), 10 * MINUTE))
  await clock.advance(MINUTE)
  const read = tokenFromText(text, { dpop: undefined, remainingMs: 9 * MINUTE, clock })
  expect(read?.value.reveal()).toBe('one')
  expect(read).toMatchObject({
    isShared: true,
    lifetimeMs: 10 * MINUTE,
    obtainedAt: { wallMs: clock.wallMs() - MINUTE, monotonicMs: clock.monotonicMs() - MINUTE },
  })
})

test('the remaining time in the store limits the lifetime of a token', () => {
  const clock = createFakeClock()
  const text = tokenToText(issued('one', now(clock), 10 * MINUTE))
  const read = tokenFromText(text, { dpop: undefined, remainingMs: MINUTE, clock })
  expect(read?.obtainedAt.monotonicMs).toBe(clock.monotonicMs() - 9 * MINUTE)
})

test.for([
  { aheadMs: 29_000, isRead: true },
  { aheadMs: 31_000, isRead: false },
])('a token from a clock $aheadMs ms ahead is read: $isRead', ({ aheadMs, isRead }) => {
  const clock = createFakeClock()
  const { monotonicMs, wallMs } = now(clock)
  const text = tokenToText(issued('one', { monotonicMs, wallMs: wallMs + aheadMs }, 10 * MINUTE))
  const read = tokenFromText(text, { dpop: undefined, remainingMs: 10 * MINUTE, clock })
  expect(read !== undefined).toBe(isRead)
})

test.for([
  '',
  'null',
  '[]',
  '{"token":1,"requestedAtMs":1,"lifetimeMs":1}',
  '{"token":"one","requestedAtMs":"1","lifetimeMs":1}',
  '{"token":"one","requestedAtMs":1}',
  '{"token":"one","requestedAtMs":1,"lifetimeMs":1,"scope":2}',
  '{"token":"one","requestedAtMs":1,"lifetimeMs":1,"requestedScopes":[2]}',
  '{"token":"one","requestedAtMs":1,"lifetimeMs":1,"dpop":true}',
])('the unexpected entry %j is ignored', (text) => {
  const clock = createFakeClock()
  expect(tokenFromText(text, { dpop: undefined, remainingMs: MINUTE, clock })).toBeUndefined()
})

test('a failure is read with the time that the fleet has to wait', () => {
  const text = failureToText(
    new SidecarError('token_rejected', 'Cannot get it', {
      oauthError: 'invalid_client',
      advice: 'check the secret',
    }),
  )
  expect(failureFromText(text, 5_000)).toMatchObject({
    code: 'token_rejected',
    message: 'Cannot get it',
    oauthError: 'invalid_client',
    advice: 'check the secret',
    retryAfterMs: 5_000,
    backoffMs: 5_000,
  })
})

test.for(['', '{"code":"unknown","message":"a"}', '{"code":"token_rejected"}'])(
  'the unexpected failure %j is ignored',
  (text) => {
    expect(failureFromText(text, 1_000)).toBeUndefined()
  },
)
