import type { Clock } from './clock.ts'

const INTERVAL_MS = 60_000

/**
 * Calls `report` for the first occurrence and then at most once a minute, with the number of occurrences
 * since the last call and the latest detail.
 */
export function createRateLimit<T>(
  clock: Clock,
  report: (occurrences: number, detail: T) => void,
): (detail: T) => void {
  let occurrences = 0
  let isWaiting = false
  let latest: T

  function send(): void {
    isWaiting = true
    report(occurrences, latest)
    occurrences = 0
    clock.schedule(INTERVAL_MS, () => {
      isWaiting = false
      if (occurrences > 0) send()
    })
  }

  return (detail) => {
    occurrences += 1
    latest = detail
    if (!isWaiting) send()
  }
}
