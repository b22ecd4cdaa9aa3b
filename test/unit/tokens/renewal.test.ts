import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { renewAfterMs, retryDelayMs } from '../../../src/tokens/renewal.ts'
import { parseRetryAfterMs } from '../../../src/tokens/retry-after.ts'

const REFRESH = { leewayMs: 60_000, jitterMs: 10_000 }

test.for([
  { lifetimeMs: 3_600_000, random: 0, afterMs: 3_540_000 },
  { lifetimeMs: 3_600_000, random: 1, afterMs: 3_530_000 },
  { lifetimeMs: 20_000, random: 0, afterMs: 10_000 },
  { lifetimeMs: 20_000, random: 1, afterMs: 8_000 },
  { lifetimeMs: 1_000, random: 0.5, afterMs: 450 },
])(
  'a token with a lifetime of $lifetimeMs ms is renewed after $afterMs ms',
  ({ lifetimeMs, random, afterMs }) => {
    expect(renewAfterMs(lifetimeMs, REFRESH, random)).toBe(afterMs)
  },
)

const share = fc.double({ min: 0, max: 1, noNaN: true })
const duration = fc.double({ min: 1, max: 1e10, noNaN: true })

test('a token is renewed before it expires, and not in the first 40 % of its lifetime', () => {
  fc.assert(
    fc.property(duration, duration, duration, share, (lifetimeMs, leewayMs, jitterMs, random) => {
      const afterMs = renewAfterMs(lifetimeMs, { leewayMs, jitterMs }, random)
      expect(afterMs).toBeGreaterThanOrEqual(lifetimeMs * 0.399)
      expect(afterMs).toBeLessThan(lifetimeMs)
    }),
  )
})

test('the back-off after a failure is bounded for every Retry-After', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2000 }),
      share,
      fc.option(duration),
      (failures, random, retryAfterMs) => {
        const error = new SidecarError(
          'token_unavailable',
          'Cannot',
          retryAfterMs === null ? {} : { retryAfterMs },
        )
        const delayMs = retryDelayMs(error, failures, random)
        expect(delayMs).toBeGreaterThanOrEqual(Math.min(retryAfterMs ?? 0, 600_000))
        expect(delayMs).toBeLessThanOrEqual(Math.max(30_000, Math.min(retryAfterMs ?? 0, 600_000)))
      },
    ),
  )
})

test('a rejected token request is retried after a minute', () => {
  expect(retryDelayMs(new SidecarError('token_rejected', 'Cannot'), 1, 0)).toBe(60_000)
})

test.for([
  { value: null, ms: undefined },
  { value: '120', ms: 120_000 },
  { value: '0', ms: 0 },
  { value: '-5', ms: undefined },
  { value: 'soon', ms: undefined },
  { value: 'Sun, 01 Nov 2026 12:00:30 GMT', ms: 30_000 },
  { value: 'Sun, 01 Nov 2026 11:00:00 GMT', ms: 0 },
])('Retry-After of $value means $ms ms', ({ value, ms }) => {
  expect(parseRetryAfterMs(value, Date.UTC(2026, 10, 1, 12))).toBe(ms)
})
