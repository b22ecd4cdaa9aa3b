import { BenchError } from '../system/bench-error.ts'
import type { Outcome } from './load.ts'

const FINISHED = /^finished in ([\d.]+)(ms|s),/m
const REQUESTS =
  /^requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored/m
const STATUSES = /^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/m

/** Parses the summary that h2load prints, which has no percentiles. */
export function parseH2loadOutput(output: string): Outcome {
  const [, time = '', unit] = FINISHED.exec(output) ?? []
  const [, succeeded, failed, errored] = REQUESTS.exec(output) ?? []
  if (succeeded === undefined || unit === undefined) {
    throw new BenchError('Cannot read the output of h2load')
  }
  const others = (STATUSES.exec(output) ?? []).slice(1).map(Number)
  const failures = Number(failed) + Number(errored) + others.reduce((sum, count) => sum + count, 0)
  return {
    requests: Number(succeeded),
    seconds: unit === 's' ? Number(time) : Number(time) / 1000,
    p50Ms: Number.NaN,
    p99Ms: Number.NaN,
    ...(failures > 0 && { failure: `${failures} requests failed or had a status other than 2xx` }),
  }
}
