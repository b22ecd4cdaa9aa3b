import type { Clock } from '../../src/lib/clock.ts'

export type FakeClock = Clock & {
  /** Advances both clocks, and runs due timers in order, including timers that these schedule. */
  advance(ms: number): Promise<void>
  /** Steps the wall clock forward or back, as NTP does. */
  stepWall(ms: number): void
  /** Suspends the machine: the wall clock advances, the monotonic clock and its timers do not. */
  suspend(ms: number): void
}

type Timer = { readonly atMs: number; readonly callback: () => void }

export function createFakeClock(): FakeClock {
  let monotonicMs = 0
  let wallMs = Date.UTC(2026, 10, 1)
  let timers: Timer[] = []
  return {
    monotonicMs: () => monotonicMs,
    wallMs: () => wallMs,
    schedule(delayMs, callback) {
      const timer = { atMs: monotonicMs + Math.max(0, delayMs), callback }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    async advance(ms) {
      const endMs = monotonicMs + ms
      for (;;) {
        await settle()
        const [next] = timers
          .filter(({ atMs }) => atMs <= endMs)
          .toSorted((a, b) => a.atMs - b.atMs)
        if (next === undefined) break
        timers = timers.filter((other) => other !== next)
        wallMs += next.atMs - monotonicMs
        monotonicMs = next.atMs
        next.callback()
      }
      wallMs += endMs - monotonicMs
      monotonicMs = endMs
      await settle()
    },
    stepWall(ms) {
      wallMs += ms
    },
    suspend(ms) {
      wallMs += ms
    },
  }
}

/** Runs pending microtasks. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}
