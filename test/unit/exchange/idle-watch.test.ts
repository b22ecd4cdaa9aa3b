import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIdleWatch } from '../../../src/exchange/idle-watch.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

const INTERVAL_MS = 250

test('an entry is checked repeatedly until it is stopped', async () => {
  const clock = createFakeClock()
  const { watch } = createIdleWatch(clock)
  let looks = 0
  const end = watch(() => {
    looks += 1
  })
  await clock.advance(INTERVAL_MS * 2)
  expect(looks).toBe(2)
  end()
  await clock.advance(INTERVAL_MS * 2)
  expect(looks).toBe(2)
})

test('an entry that is added after a pause is checked', async () => {
  const clock = createFakeClock()
  const { watch } = createIdleWatch(clock)
  watch(() => {})()
  await clock.advance(INTERVAL_MS * 2)
  let looks = 0
  watch(() => {
    looks += 1
  })
  await clock.advance(INTERVAL_MS)
  expect(looks).toBe(1)
})

test('a round checks every entry once, and none that is stopped during the round', async () => {
  const ending = fc.record({
    /** Who looks, and whom each of them ends while it looks. */
    ends: fc.array(fc.array(fc.nat(7), { maxLength: 3 }), { minLength: 1, maxLength: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(ending, async ({ ends }) => {
      const clock = createFakeClock()
      const { watch } = createIdleWatch(clock)
      const looks = ends.map(() => 0)
      const ended = new Set<number>()
      const wrong: number[] = []
      const stops = ends.map((others, index) =>
        watch(() => {
          looks[index] = (looks[index] ?? 0) + 1
          if (ended.has(index)) wrong.push(index)
          for (const other of others) {
            stops[other]?.()
            if (other < ends.length) ended.add(other)
          }
        }),
      )
      await clock.advance(INTERVAL_MS)
      expect(wrong).toEqual([])
      const missed = looks.flatMap((count, index) =>
        count === 0 && !ended.has(index) ? [index] : [],
      )
      expect(missed).toEqual([])
    }),
  )
})
