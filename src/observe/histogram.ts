/** Counts durations in plain numbers, cheap enough for every request. */
export type Histogram = {
  observe(durationMs: number): void
  /** Cumulative, as Prometheus wants them. */
  read(): HistogramReading
  /** Writes the `BUCKET_COUNT` counts, in ascending order of the buckets, to `into` from `at` on. */
  copyTo(into: Uint32Array, at: number): void
}

type HistogramReading = {
  readonly buckets: readonly { readonly leSeconds: number; readonly count: number }[]
  readonly count: number
  readonly sumSeconds: number
}

// Seconds. The low bounds show the latency of the sidecar itself, the high bounds long polls.
const BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const

/** The number of buckets; the last one is for values above the highest bound. */
export const BUCKET_COUNT = BOUNDS.length + 1

export function createHistogram(): Histogram {
  const counts = new Float64Array(BUCKET_COUNT)
  let sumSeconds = 0
  return {
    observe(durationMs) {
      const seconds = durationMs / 1000
      sumSeconds += seconds
      let index = 0
      while (index < BOUNDS.length && seconds > (BOUNDS[index] ?? Infinity)) index += 1
      counts[index] = (counts[index] ?? 0) + 1
    },
    read() {
      let count = 0
      const buckets = BOUNDS.map((leSeconds, index) => {
        count += counts[index] ?? 0
        return { leSeconds, count }
      })
      count += counts[BOUNDS.length] ?? 0
      return { buckets, count, sumSeconds }
    },
    copyTo(into, at) {
      into.set(counts, at)
    },
  }
}

/**
 * The duration that `share` of those counted in `counts` did not exceed, in seconds: a guess between
 * two bounds, as Prometheus makes it. Undefined where nothing was counted.
 */
export function quantileSeconds(counts: Uint32Array, share: number): number | undefined {
  let total = 0
  for (const count of counts) total += count
  if (total === 0) return undefined
  const rank = share * total
  let below = 0
  for (let index = 0; index < BOUNDS.length; index += 1) {
    const count = counts[index] ?? 0
    if (count > 0 && below + count >= rank) {
      const lower = BOUNDS[index - 1] ?? 0
      const upper = BOUNDS[index] ?? lower
      return lower + (upper - lower) * ((rank - below) / count)
    }
    below += count
  }
  return BOUNDS.at(-1)
}
