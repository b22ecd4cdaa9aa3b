import type { Clock } from '../lib/clock.ts'

/** Looks at what is running, again and again, for whatever has come to a halt. */
export type StallWatch = {
  /** Calls `look` a few times a second. Returns a function that ends it. */
  readonly watch: (look: () => void) => () => void
}

const INTERVAL_MS = 250

/** One timer for all, because one for each request would cost more than most requests need. */
export function createStallWatch(clock: Clock): StallWatch {
  const looks = new Set<() => void>()
  let isTicking = false
  const tick = (): void => {
    for (const look of looks) look()
    isTicking = looks.size > 0
    if (isTicking) clock.schedule(INTERVAL_MS, tick)
  }
  return {
    watch(look) {
      looks.add(look)
      if (!isTicking) {
        isTicking = true
        clock.schedule(INTERVAL_MS, tick)
      }
      return () => looks.delete(look)
    },
  }
}
