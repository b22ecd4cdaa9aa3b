import { expect, test } from 'vitest'
import { median, percentile, summarise } from '../../../bench/measure/statistics.ts'

test.for([
  { values: [3], expected: 3 },
  { values: [10, 1, 2], expected: 2 },
  { values: [4, 1, 3, 2], expected: 2.5 },
  { values: [100, 20, 3], expected: 20 },
])('the median of $values is $expected', ({ values, expected }) => {
  expect(median(values)).toBe(expected)
})

test('a summary consists of median, minimum and maximum', () => {
  expect(summarise([12, 9, 10])).toEqual({ median: 10, min: 9, max: 12 })
})

test.for([
  { percent: 50, expected: 50 },
  { percent: 99, expected: 99 },
  { percent: 100, expected: 100 },
  { percent: 0, expected: 1 },
])('the nearest rank of $percent % of 1 to 100 is $expected', ({ percent, expected }) => {
  expect(
    percentile(
      Array.from({ length: 100 }, (_, index) => index + 1),
      percent,
    ),
  ).toBe(expected)
})

test('the median and percentiles of no values are NaN', () => {
  expect(median([])).toBeNaN()
  expect(percentile([], 50)).toBeNaN()
})
