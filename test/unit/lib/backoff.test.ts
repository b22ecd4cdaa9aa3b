import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs } from '../../../src/lib/backoff.ts'

const POLICY = { baseMs: 500, maxMs: 30_000 }

test.for([
  { failures: 1, boundMs: 500 },
  { failures: 2, boundMs: 1_000 },
  { failures: 3, boundMs: 2_000 },
  { failures: 6, boundMs: 16_000 },
  { failures: 7, boundMs: 30_000 },
  { failures: 8, boundMs: 30_000 },
  { failures: 5_000, boundMs: 30_000 },
])('after $failures failures the delay is at most $boundMs ms', ({ failures, boundMs }) => {
  expect(backoffMs(POLICY, failures, 1)).toBe(boundMs)
  expect(backoffMs(POLICY, failures, 0.5)).toBe(boundMs / 2)
  expect(backoffMs(POLICY, failures, 0)).toBe(0)
})

test('a delay is between 0 and the maximum, and does not decrease with further failures', () => {
  const duration = fc.integer({ min: 1, max: 1e9 })
  const failures = fc.integer({ min: 1, max: 10_000 })
  const random = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(duration, duration, failures, random, (baseMs, maxMs, count, share) => {
      const delayMs = backoffMs({ baseMs, maxMs }, count, share)
      expect(delayMs).toBeGreaterThanOrEqual(0)
      expect(delayMs).toBeLessThanOrEqual(maxMs)
      expect(backoffMs({ baseMs, maxMs }, count + 1, share)).toBeGreaterThanOrEqual(delayMs)
    }),
    { seed: 26 },
  )
})
