import type { Clock } from '../lib/clock.ts'
import { quantileSeconds } from './histogram.ts'
import { type RouteMetrics, TALLY, TALLY_DURATIONS } from './route-metrics.ts'

/** The last ten minutes of each route, for the status page. */
export type RouteHistory = {
  /** Replaces the set of routes. */
  readonly follow: (routes: ReadonlyMap<string, RouteMetrics>) => void
  /** From about a minute ago until now. */
  readonly lastMinute: (route: string) => RouteFigures
  /** All samples, or those after the sample with the given number. */
  readonly read: (after?: number) => HistoryReading
  readonly stop: () => void
}

export type RouteFigures = {
  readonly requests: number
  readonly requestsPerSecond: number
  /** The share of responses with 5xx. It and the latencies are undefined without any response. */
  readonly errorShare: number | undefined
  /** Responses with status 401 and 403 from the upstream. */
  readonly unauthorized: number
  readonly forbidden: number
  readonly p50Seconds: number | undefined
  readonly p95Seconds: number | undefined
}

export type HistoryReading = {
  readonly intervalSeconds: number
  /** The maximum number of samples. */
  readonly length: number
  /** The number of the newest sample; numbers are consecutive. */
  readonly latest: number
  readonly endedAt: string
  /** Without routes that had no response in that time. */
  readonly routes: readonly RouteSamples[]
}

/** One entry per interval, newest last. */
type RouteSamples = {
  readonly route: string
  readonly requests: readonly number[]
  readonly errors: readonly number[]
  /** Responses with status 401 or 403 from the upstream. */
  readonly rejections: readonly number[]
  readonly p50Seconds: readonly (number | null)[]
  readonly p95Seconds: readonly (number | null)[]
}

type Followed = {
  readonly metrics: RouteMetrics
  /** A ring buffer of the counts at each sample; undefined until something is counted. */
  ring: Uint32Array | undefined
}

const INTERVAL_MS = 10_000
const LENGTH = 60
/** N intervals need N + 1 samples. */
const SLOTS = LENGTH + 1
const INTERVALS_PER_MINUTE = 60_000 / INTERVAL_MS

/**
 * Copies the counts of each route every 10 s and keeps ten minutes of them (5 KB for a route in use).
 * Everything else is computed on read, so requests have no extra cost.
 */
export function createRouteHistory(clock: Clock): RouteHistory {
  let followed = new Map<string, Followed>()
  let latest = 0
  let endedAtMs = clock.wallMs()
  const sampledAtMs = new Float64Array(SLOTS).fill(clock.monotonicMs())
  // Reused, because with thousands of routes garbage collection would cost more than the sums.
  const scratch = new Uint32Array(TALLY)
  const delta = new Uint32Array(TALLY)
  const durations = delta.subarray(TALLY_DURATIONS)
  let cancel = scheduleSample()

  function scheduleSample(): () => void {
    return clock.schedule(INTERVAL_MS, () => {
      sample()
      cancel = scheduleSample()
    })
  }

  function sample(): void {
    latest += 1
    endedAtMs = clock.wallMs()
    sampledAtMs[latest % SLOTS] = clock.monotonicMs()
    for (const route of followed.values()) {
      if (route.ring === undefined) {
        route.metrics.tally(scratch, 0)
        if (!scratch.some((count) => count > 0)) continue
        // All earlier samples were zero.
        route.ring = new Uint32Array(SLOTS * TALLY)
      }
      route.metrics.tally(route.ring, (latest % SLOTS) * TALLY)
    }
  }

  /** Writes the difference between a sample and a later reading to `delta`; counts may have wrapped around. */
  function subtract(later: Uint32Array, ring: Uint32Array | undefined, sampleNumber: number): void {
    const at = (sampleNumber % SLOTS) * TALLY
    for (let index = 0; index < TALLY; index += 1) {
      delta[index] = (later[index] ?? 0) - (ring?.[at + index] ?? 0)
    }
  }

  function samplesOf(route: string, ring: Uint32Array, count: number): RouteSamples {
    const requests: number[] = []
    const errors: number[] = []
    const rejections: number[] = []
    const p50Seconds: (number | null)[] = []
    const p95Seconds: (number | null)[] = []
    for (let number = latest - count + 1; number <= latest; number += 1) {
      const at = (number % SLOTS) * TALLY
      subtract(ring.subarray(at, at + TALLY), ring, number - 1)
      requests.push(responsesInDelta())
      errors.push(delta[0] ?? 0)
      rejections.push((delta[1] ?? 0) + (delta[2] ?? 0))
      p50Seconds.push(rounded(quantileSeconds(durations, 0.5)) ?? null)
      p95Seconds.push(rounded(quantileSeconds(durations, 0.95)) ?? null)
    }
    return { route, requests, errors, rejections, p50Seconds, p95Seconds }
  }

  function responsesInDelta(): number {
    let sum = 0
    for (const count of durations) sum += count
    return sum
  }

  return {
    follow(routes) {
      followed = new Map(
        [...routes].map(([name, metrics]) => [name, followed.get(name) ?? begin(metrics)]),
      )
    },
    lastMinute(name) {
      const route = followed.get(name)
      const from = Math.max(0, latest - INTERVALS_PER_MINUTE + 1)
      if (route === undefined) delta.fill(0)
      else {
        route.metrics.tally(scratch, 0)
        subtract(scratch, route.ring, from)
      }
      const elapsedMs = clock.monotonicMs() - (sampledAtMs[from % SLOTS] ?? 0)
      const count = responsesInDelta()
      return {
        requests: count,
        requestsPerSecond: rounded(count / Math.max(1, elapsedMs / 1000)) ?? 0,
        errorShare: count === 0 ? undefined : rounded((delta[0] ?? 0) / count),
        unauthorized: delta[1] ?? 0,
        forbidden: delta[2] ?? 0,
        p50Seconds: rounded(quantileSeconds(durations, 0.5)),
        p95Seconds: rounded(quantileSeconds(durations, 0.95)),
      }
    },
    read(after = 0) {
      // A number beyond the latest comes from an earlier process.
      const known = after > latest ? 0 : after
      const count = Math.min(latest - known, LENGTH)
      return {
        intervalSeconds: INTERVAL_MS / 1000,
        length: LENGTH,
        latest,
        endedAt: new Date(endedAtMs).toISOString(),
        routes: [...followed].flatMap(([name, { ring }]) => {
          if (ring === undefined) return []
          const samples = samplesOf(name, ring, count)
          return samples.requests.some((requests) => requests > 0) ? [samples] : []
        }),
      }
    },
    stop: () => cancel(),
  }
}

/** A route that a reload removed and another one restores has counts from before, which are not recent. */
function begin(metrics: RouteMetrics): Followed {
  const counts = new Uint32Array(TALLY)
  metrics.tally(counts, 0)
  if (!counts.some((count) => count > 0)) return { metrics, ring: undefined }
  const ring = new Uint32Array(SLOTS * TALLY)
  for (let slot = 0; slot < SLOTS; slot += 1) ring.set(counts, slot * TALLY)
  return { metrics, ring }
}

/** More digits would be noise. */
function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 1e5) / 1e5
}
