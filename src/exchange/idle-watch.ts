import type { Clock } from '../lib/clock.ts'

/** Looks at what is running, again and again, for whatever has come to a halt. */
export type StallWatch = {
  /** Calls `look` a few times a second. Returns a function that ends it. */
  readonly watch: (look: () => void) => () => void
}

const INTERVAL_MS = 250

/**
 * One timer for all, because one for each request would cost more than most requests need. A list
 * from which the last takes the place of whoever leaves: a `Set` that much comes and goes in makes
 * itself anew again and again, and each former self, once it is old, keeps alive what it held.
 */
export function createStallWatch(clock: Clock): StallWatch {
  const watched: { look: () => void; at: number }[] = []
  let isTicking = false
  const tick = (): void => {
    // From the end: whoever leaves while it is looked at leaves its place to one that was.
    for (let at = watched.length - 1; at >= 0; at -= 1) watched[at]?.look()
    isTicking = watched.length > 0
    if (isTicking) clock.schedule(INTERVAL_MS, tick)
  }
  return {
    watch(look) {
      const entry = { look, at: watched.length }
      watched.push(entry)
      if (!isTicking) {
        isTicking = true
        clock.schedule(INTERVAL_MS, tick)
      }
      return () => {
        if (watched[entry.at] !== entry) return
        const last = watched.pop()
        if (last === undefined || last === entry) return
        watched[entry.at] = last
        last.at = entry.at
      }
    },
  }
}
