import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'

const DAY_MS = 86_400_000

/** Waits for a timer of 20 ms, which fires after all earlier ones of less. */
async function shortDelay(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  systemClock.schedule(20, resolve)
  await promise
}

/** Collects the process warnings of the test, such as one for an overflowing delay. */
function collectWarnings(): readonly Error[] {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  return warnings
}

test('a scheduled callback runs once', async () => {
  let runs = 0
  systemClock.schedule(0, () => {
    runs += 1
  })
  await shortDelay()
  expect(runs).toBe(1)
})

test('a negative delay is zero', async () => {
  const warnings = collectWarnings()
  let runs = 0
  systemClock.schedule(-5, () => {
    runs += 1
  })
  await shortDelay()
  expect({ runs, warnings }).toEqual({ runs: 1, warnings: [] })
})

test.for([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5, 30 * DAY_MS, 2 ** 32 + 1, 365 * DAY_MS, 1e300])(
  'a callback with a delay of %d ms does not run at once, and can be cancelled',
  async (delayMs) => {
    const warnings = collectWarnings()
    let runs = 0
    const cancel = systemClock.schedule(delayMs, () => {
      runs += 1
    })
    await shortDelay()
    cancel()
    expect({ runs, warnings }).toEqual({ runs: 0, warnings: [] })
  },
)

test('a cancelled callback does not run', async () => {
  let runs = 0
  const cancel = systemClock.schedule(1, () => {
    runs += 1
  })
  cancel()
  cancel()
  await shortDelay()
  expect(runs).toBe(0)
})

test('the monotonic clock advances, and the wall clock is that of the system', async () => {
  const startMs = systemClock.monotonicMs()
  const wallMs = systemClock.wallMs()
  await shortDelay()
  expect(systemClock.monotonicMs() - startMs).toBeGreaterThan(10)
  expect(Math.abs(wallMs - Date.now())).toBeLessThan(10_000)
})
