import { percentile } from '../measure/statistics.ts'
import type { Outcome } from './load.ts'

/** The counters of a load generator that runs on Node. */
export type LoadRecord = {
  begin(): void
  completed(): void
  latency(ms: number): void
  failed(reason: string): void
  end(): Outcome
}

export function createLoadRecord(): LoadRecord {
  const latenciesMs: number[] = []
  const failures = new Map<string, number>()
  let requests = 0
  let startedAtMs = 0
  return {
    begin() {
      startedAtMs = performance.now()
    },
    completed() {
      requests += 1
    },
    latency(ms) {
      latenciesMs.push(ms)
    },
    failed(reason) {
      failures.set(reason, (failures.get(reason) ?? 0) + 1)
    },
    end() {
      const seconds = (performance.now() - startedAtMs) / 1000
      const sorted = Float64Array.from(latenciesMs).toSorted()
      const failure = [...failures].map(([reason, count]) => `${count} × ${reason}`).join(', ')
      return {
        requests,
        seconds,
        p50Ms: percentile(sorted, 50),
        p99Ms: percentile(sorted, 99),
        ...(failure !== '' && { failure }),
      }
    },
  }
}
