import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHistogram } from '../../../src/observe/histogram.ts'

/** The cumulative counts at which the buckets increase, by bound. */
function steps(durationsMs: readonly number[]): Record<string, number> {
  const histogram = createHistogram()
  for (const durationMs of durationsMs) histogram.observe(durationMs)
  let before = 0
  const changes: Record<string, number> = {}
  for (const { leSeconds, count } of histogram.read().buckets) {
    if (count !== before) changes[leSeconds] = count
    before = count
  }
  return changes
}

test.for([
  { durationsMs: [], buckets: {} },
  { durationsMs: [0], buckets: { '0.0005': 1 } },
  { durationsMs: [0.5], buckets: { '0.0005': 1 } },
  { durationsMs: [0.500_1], buckets: { '0.001': 1 } },
  { durationsMs: [1, 1, 2], buckets: { '0.001': 2, '0.0025': 3 } },
  { durationsMs: [60_000], buckets: { '60': 1 } },
  { durationsMs: [60_001, 3_600_000], buckets: {} },
  { durationsMs: [40, 7, 9_000], buckets: { '0.01': 1, '0.05': 2, '10': 3 } },
])('durations of $durationsMs ms increase the buckets $buckets', ({ durationsMs, buckets }) => {
  expect(steps(durationsMs)).toEqual(buckets)
})

test('buckets are cumulative, the count includes all durations, and the sum is in seconds', () => {
  const durations = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }))
  fc.assert(
    fc.property(durations, (durationsMs) => {
      const histogram = createHistogram()
      for (const durationMs of durationsMs) histogram.observe(durationMs)
      const { buckets, count, sumSeconds } = histogram.read()
      for (const { leSeconds, count: upTo } of buckets) {
        expect(upTo).toBe(durationsMs.filter((ms) => ms / 1000 <= leSeconds).length)
      }
      expect(count).toBe(durationsMs.length)
      expect(sumSeconds).toBeCloseTo(durationsMs.reduce((sum, ms) => sum + ms, 0) / 1000, 6)
    }),
    { seed: 26 },
  )
})

test('reading a histogram does not change it', () => {
  const histogram = createHistogram()
  histogram.observe(5)
  expect(histogram.read()).toEqual(histogram.read())
})
