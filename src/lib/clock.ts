import { performance } from 'node:perf_hooks'

/** Time and timers, passed in so that a test can turn the hands. */
export type Clock = {
  /** Milliseconds on a clock that is never set; its zero means nothing. */
  monotonicMs(): number
  /** Milliseconds since 1970, as the system believes them at this moment. */
  wallMs(): number
  /** Runs `callback` once; does not keep the process alive. Returns a function that cancels it. */
  schedule(delayMs: number, callback: () => void): () => void
}

// A longer setTimeout fires at once (its delay is a signed 32-bit number), so long waits are chained.
const LONGEST_TIMER_MS = 2 ** 31 - 1

// Not the global of this name, which is looked up anew each time.
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  schedule(delayMs, callback) {
    let timer: NodeJS.Timeout
    const arm = (remainingMs: number): void => {
      const stepMs = Math.min(remainingMs, LONGEST_TIMER_MS)
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
