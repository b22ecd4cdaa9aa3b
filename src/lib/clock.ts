import { performance } from 'node:perf_hooks'

/** Time and timers; tests pass in a fake. */
export type Clock = {
  /** Milliseconds on a monotonic clock with an arbitrary origin. */
  monotonicMs(): number
  /** Milliseconds since 1970; the system may adjust them. */
  wallMs(): number
  /** Runs `callback` once; does not keep the process alive. Returns a function that cancels it. */
  schedule(delayMs: number, callback: () => void): () => void
}

// setTimeout fires at once for a longer delay (a signed 32-bit number), so long delays are chained.
const MAX_TIMER_MS = 2 ** 31 - 1

// Imported, because each access to the global of this name is a lookup.
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  schedule(delayMs, callback) {
    let timer: NodeJS.Timeout
    const arm = (remainingMs: number): void => {
      const stepMs = Math.min(remainingMs, MAX_TIMER_MS)
      timer = setTimeout(() => {
        if (remainingMs > stepMs) arm(remainingMs - stepMs)
        else callback()
      }, stepMs)
      timer.unref()
    }
    arm(Math.max(0, delayMs))
    return () => clearTimeout(timer)
  },
}
