import { expect, test } from 'vitest'
import { createRateLimit } from '../../../src/lib/rate-limit.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

function limited() {
  const clock = createFakeClock()
  const reports: [number, string][] = []
  const occur = createRateLimit(clock, (occurrences, detail: string) => {
    reports.push([occurrences, detail])
  })
  return { clock, reports, occur }
}

test('the first occurrence is reported at once', () => {
  const { reports, occur } = limited()
  occur('a')
  expect(reports).toEqual([[1, 'a']])
})

test('occurrences within a minute of a report are reported together, with the latest detail', async () => {
  const { clock, reports, occur } = limited()
  for (const detail of ['a', 'b', 'c']) occur(detail)
  await clock.advance(59_000)
  expect(reports).toEqual([[1, 'a']])
  await clock.advance(1_000)
  expect(reports).toEqual([
    [1, 'a'],
    [2, 'c'],
  ])
})

test('continuous occurrences are reported once a minute', async () => {
  const { clock, reports, occur } = limited()
  for (let second = 0; second < 180; second += 1) {
    occur('a')
    await clock.advance(1_000)
  }
  expect(reports.map(([occurrences]) => occurrences)).toEqual([1, 59, 60, 60])
})

test('nothing is reported for a minute without an occurrence, and the next one at once', async () => {
  const { clock, reports, occur } = limited()
  occur('a')
  await clock.advance(120_000)
  expect(reports).toHaveLength(1)
  occur('b')
  expect(reports).toEqual([
    [1, 'a'],
    [1, 'b'],
  ])
})
