import type { Clock } from '../lib/clock.ts'
import { addTo, removeFrom } from '../lib/unordered-list.ts'

/** Checks the exchanges in progress for inactivity, a few times a second. */
export type IdleWatch = {
  /** Calls `check` a few times a second. Returns a function that stops it. */
  readonly watch: (check: () => void) => () => void
}

const INTERVAL_MS = 250

/** One timer for all exchanges: a timer per request costs more than most requests take. */
export function createIdleWatch(clock: Clock): IdleWatch {
  const watched: { check: () => void; at: number }[] = []
  let isTicking = false
  const tick = (): void => {
    // From the end, so that an entry that is removed meanwhile is replaced by one that was checked.
    for (let at = watched.length - 1; at >= 0; at -= 1) watched[at]?.check()
    isTicking = watched.length > 0
    if (isTicking) clock.schedule(INTERVAL_MS, tick)
  }
  return {
    watch(check) {
      const entry = { check, at: 0 }
      addTo(watched, entry)
      if (!isTicking) {
        isTicking = true
        clock.schedule(INTERVAL_MS, tick)
      }
      return () => removeFrom(watched, entry)
    },
  }
}
