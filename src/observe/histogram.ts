/** Counts durations in plain numbers, cheap enough for every request. */
export type Histogram = {
  observe(durationMs: number): void
  /** Cumulative, as Prometheus wants them. */
  read(): HistogramReading
}

type HistogramReading = {
  readonly buckets: readonly { readonly leSeconds: number; readonly count: number }[]
  readonly count: number
  readonly sumSeconds: number
}

// Seconds. The low end tells a sidecar's own cost, the high end a long poll.
const BOUNDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const

export function createHistogram(): Histogram {
  const counts = new Float64Array(BOUNDS.length + 1)
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
  }
}
