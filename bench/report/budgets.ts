import {
  addedLatency,
  addedLatencyRatio,
  cpuRatio,
  hourGrowth,
  type Measure,
  memoryMegabytes,
  residentGrowth,
  startMs,
  throughputRatio,
  tokenRequestsPerLifetime,
} from './measures.ts'

/** A performance budget of the sidecar, and how it is computed from the figures of a run. */
export type Budget = {
  readonly figure: string
  readonly bound: { readonly max: number } | { readonly min: number }
  readonly unit: string
  readonly measure: Measure
}

const SIDECAR = 'token-sidecar'
const BARE = 'bare-dispatch'
const BARE_HTTP2 = 'bare-http2'
/** The limit for flat memory: above the fluctuation of the V8 heap from minute to minute. */
const FLAT = 1.1

/** The sidecar in a case, compared with another contender or with its own unlabelled entry. */
type Comparison = Omit<Parameters<typeof cpuRatio>[0], 'of'>

/** A limit for the CPU time per request as a ratio. */
function cpu(figure: string, max: number, comparison: Comparison): Budget {
  return {
    figure: `CPU per request, ${figure}`,
    bound: { max },
    unit: '×',
    measure: cpuRatio({ ...comparison, of: SIDECAR }),
  }
}

/** A limit for the throughput as a ratio. */
function throughput(figure: string, min: number, comparison: Comparison): Budget {
  return {
    figure: `throughput of ${figure}`,
    bound: { min },
    unit: '×',
    measure: throughputRatio({ ...comparison, of: SIDECAR }),
  }
}

export const BUDGETS: readonly Budget[] = [
  cpu('small GET, against the bare dispatch loop', 0.95, { inCase: 'get', to: BARE }),
  cpu('small GET, against http-proxy', 0.4, { inCase: 'get', to: 'http-proxy' }),
  cpu('with the access log on, against the bare dispatch loop', 1.2, {
    inCase: 'log',
    label: ', access log on',
    to: BARE,
  }),
  {
    figure: 'latency added at 1,000 requests/s, p50',
    bound: { max: 0.5 },
    unit: 'ms',
    measure: addedLatency({ inCase: 'rate', of: SIDECAR, figure: ({ p50Ms }) => p50Ms }),
  },
  {
    // A ratio, because other load on the machine dominates the absolute figure.
    figure: 'latency added at 1,000 requests/s, p99, against the bare dispatch loop',
    bound: { max: 1.1 },
    unit: '×',
    measure: addedLatencyRatio({
      inCase: 'rate',
      of: SIDECAR,
      to: BARE,
      figure: ({ p99Ms }) => p99Ms,
    }),
  },
  throughput('1 MiB responses, against HAProxy', 1, { inCase: 'download', to: 'haproxy' }),
  throughput('10 MiB uploads, against HAProxy', 0.8, { inCase: 'upload', to: 'haproxy' }),
  {
    figure: 'memory in the course of 1 MiB responses, last round against first',
    bound: { max: FLAT },
    unit: '×',
    measure: residentGrowth({ inCase: 'download', of: SIDECAR }),
  },
  cpu('200 routes against 1', 1.05, {
    inCase: 'routes',
    label: ', 200 routes',
    to: SIDECAR,
  }),
  cpu('HTTP/2 on both sides, against the bare node:http2 loop', 1.15, {
    inCase: 'h2',
    to: BARE_HTTP2,
  }),
  cpu('HTTP/2 on both sides, against Envoy with its injector', 1.3, { inCase: 'h2', to: 'envoy' }),
  cpu('HTTP/1.1 to HTTP/2, against HTTP/2 on both sides', 1, {
    inCase: 'h1-to-h2',
    label: ', HTTP/1.1 in',
    to: SIDECAR,
  }),
  throughput('1 MiB responses over HTTP/2, against Envoy', 0.5, {
    inCase: 'h2-download',
    to: 'envoy',
  }),
  {
    figure: 'token requests per token and lifetime, under load',
    bound: { max: 1 },
    unit: '',
    measure: tokenRequestsPerLifetime,
  },
  {
    figure: 'memory at rest',
    bound: { max: 90 },
    unit: 'MB',
    measure: memoryMegabytes(({ restBytes }) => restBytes),
  },
  {
    figure: 'memory under 256 connections',
    bound: { max: 110 },
    unit: 'MB',
    measure: memoryMegabytes(({ under256Bytes }) => under256Bytes),
  },
  {
    figure: 'memory over an hour, last quarter against first',
    bound: { max: FLAT },
    unit: '×',
    measure: hourGrowth,
  },
  {
    figure: 'start to ready with a local authorization server',
    bound: { max: 400 },
    unit: 'ms',
    measure: startMs,
  },
]
