import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'

const DAY_MS = 86_400_000

/** Until a timer of 20 ms has fired that was set after all others. */
async function aShortWhile(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  systemClock.schedule(20, resolve)
  await promise
}

/** What Node warns about until the test is over, such as a delay that no timer can hold. */
function collectWarnings(): readonly Error[] {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  return warnings
}

test('what is scheduled runs once', async () => {
  let runs = 0
  systemClock.schedule(0, () => {
    runs += 1
  })
  await aShortWhile()
  expect(runs).toBe(1)
})

test('a time in the past is now', async () => {
  const warnings = collectWarnings()
  let runs = 0
  systemClock.schedule(-5, () => {
    runs += 1
  })
  await aShortWhile()
  expect({ runs, warnings }).toEqual({ runs: 1, warnings: [] })
})

test.for([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5, 30 * DAY_MS, 2 ** 32 + 1, 365 * DAY_MS, 1e300])(
  'what is due in %d ms does not run at once, and can be cancelled',
  async (delayMs) => {
    const warnings = collectWarnings()
    let runs = 0
    const cancel = systemClock.schedule(delayMs, () => {
      runs += 1
    })
    await aShortWhile()
    cancel()
    expect({ runs, warnings }).toEqual({ runs: 0, warnings: [] })
  },
)

test('what is cancelled does not run', async () => {
  let runs = 0
  const cancel = systemClock.schedule(1, () => {
    runs += 1
  })
  cancel()
  cancel()
  await aShortWhile()
  expect(runs).toBe(0)
})

test('the monotonic clock goes forward and the wall clock is the system’s', async () => {
  const startMs = systemClock.monotonicMs()
  const wallMs = systemClock.wallMs()
  await aShortWhile()
  expect(systemClock.monotonicMs() - startMs).toBeGreaterThan(10)
  expect(Math.abs(wallMs - Date.now())).toBeLessThan(10_000)
})
