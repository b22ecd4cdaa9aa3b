import * as z from 'zod'
import { BenchError } from '../system/bench-error.ts'
import type { Outcome } from './load.ts'

/** Makes wrk print a machine-readable line at the end, because its own report rounds the figures. */
export const WRK_REPORT = `
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\nbench {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
`

const reportLine = z.object({
  requests: z.number(),
  micros: z.number(),
  p50: z.number(),
  p99: z.number(),
  connect: z.number(),
  read: z.number(),
  write: z.number(),
  status: z.number(),
  timeout: z.number(),
})

const FAILURES = {
  status: 'responses with a status other than 2xx or 3xx',
  connect: 'connections refused',
  read: 'connections reset while reading',
  write: 'connections reset while writing',
  timeout: 'requests that took longer than 10 s',
} as const

export function parseWrkOutput(output: string): Outcome {
  const line = /^bench (\{.*\})$/m.exec(output)?.[1]
  if (line === undefined)
    throw new BenchError('Cannot read the output of wrk: the last line is missing')
  const { requests, micros, p50, p99, ...errors } = reportLine.parse(JSON.parse(line))
  const failures = [
    errors.status > 0 && `${errors.status} ${FAILURES.status}`,
    errors.connect > 0 && `${errors.connect} ${FAILURES.connect}`,
    errors.read > 0 && `${errors.read} ${FAILURES.read}`,
    errors.write > 0 && `${errors.write} ${FAILURES.write}`,
    errors.timeout > 0 && `${errors.timeout} ${FAILURES.timeout}`,
  ].filter((text) => text !== false)
  return {
    requests,
    seconds: micros / 1_000_000,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    ...(failures.length > 0 && { failure: failures.join(', ') }),
  }
}
