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
  readonly bound: { readonly most: number } | { readonly least: number }
  readonly unit: string
  readonly measure: Measure
}

const SIDECAR = 'token-sidecar'
const BARE = 'bare-dispatch'
const BARE_HTTP2 = 'bare-http2'
/** The limit for flat memory: above the fluctuation of the V8 heap from minute to minute. */
const FLAT = 1.1

export const BUDGETS: readonly Budget[] = [
  {
    figure: 'CPU per request, small GET, against the bare dispatch loop',
    bound: { most: 0.95 },
    unit: '×',
    measure: cpuRatio({ inCase: 'get', of: SIDECAR, to: BARE }),
  },
  {
    figure: 'CPU per request, small GET, against http-proxy',
    bound: { most: 0.4 },
    unit: '×',
    measure: cpuRatio({ inCase: 'get', of: SIDECAR, to: 'http-proxy' }),
  },
  {
    figure: 'CPU per request with the access log on, against the bare dispatch loop',
    bound: { most: 1.2 },
    unit: '×',
    measure: cpuRatio({ inCase: 'log', of: SIDECAR, label: ', access log on', to: BARE }),
  },
  {
    figure: 'latency added at 1,000 requests/s, p50',
    bound: { most: 0.5 },
    unit: 'ms',
    measure: addedLatency({ inCase: 'rate', of: SIDECAR, figure: ({ p50Ms }) => p50Ms }),
  },
  {
    // A ratio, because other load on the machine dominates the absolute figure.
    figure: 'latency added at 1,000 requests/s, p99, against the bare dispatch loop',
    bound: { most: 1.1 },
    unit: '×',
    measure: addedLatencyRatio({
      inCase: 'rate',
      of: SIDECAR,
      to: BARE,
      figure: ({ p99Ms }) => p99Ms,
    }),
  },
  {
    figure: 'throughput of 1 MiB responses, against HAProxy',
    bound: { least: 1 },
    unit: '×',
    measure: throughputRatio({ inCase: 'download', of: SIDECAR, to: 'haproxy' }),
  },
  {
    figure: 'throughput of 10 MiB uploads, against HAProxy',
    bound: { least: 0.8 },
    unit: '×',
    measure: throughputRatio({ inCase: 'upload', of: SIDECAR, to: 'haproxy' }),
  },
  {
    figure: 'memory in the course of 1 MiB responses, last round against first',
    bound: { most: FLAT },
    unit: '×',
    measure: residentGrowth({ inCase: 'download', of: SIDECAR }),
  },
  {
    figure: 'CPU per request, 200 routes against 1',
    bound: { most: 1.05 },
    unit: '×',
    measure: cpuRatio({ inCase: 'routes', of: SIDECAR, label: ', 200 routes', to: SIDECAR }),
  },
  {
    figure: 'CPU per request, HTTP/2 on both sides, against the bare node:http2 loop',
    bound: { most: 1.15 },
    unit: '×',
    measure: cpuRatio({ inCase: 'h2', of: SIDECAR, to: BARE_HTTP2 }),
  },
  {
    figure: 'CPU per request, HTTP/2 on both sides, against Envoy with its injector',
    bound: { most: 1.3 },
    unit: '×',
    measure: cpuRatio({ inCase: 'h2', of: SIDECAR, to: 'envoy' }),
  },
  {
    figure: 'CPU per request, HTTP/1.1 to HTTP/2, against HTTP/2 on both sides',
    bound: { most: 1 },
    unit: '×',
    measure: cpuRatio({ inCase: 'h1-to-h2', of: SIDECAR, label: ', HTTP/1.1 in', to: SIDECAR }),
  },
  {
    figure: 'throughput of 1 MiB responses over HTTP/2, against Envoy',
    bound: { least: 0.5 },
    unit: '×',
    measure: throughputRatio({ inCase: 'h2-download', of: SIDECAR, to: 'envoy' }),
  },
  {
    figure: 'token requests per token and lifetime, under load',
    bound: { most: 1 },
    unit: '',
    measure: tokenRequestsPerLifetime,
  },
  {
    figure: 'memory at rest',
    bound: { most: 90 },
    unit: 'MB',
    measure: memoryMegabytes(({ restBytes }) => restBytes),
  },
  {
    figure: 'memory under 256 connections',
    bound: { most: 110 },
    unit: 'MB',
    measure: memoryMegabytes(({ under256Bytes }) => under256Bytes),
  },
  {
    figure: 'memory over an hour, last quarter against first',
    bound: { most: FLAT },
    unit: '×',
    measure: hourGrowth,
  },
  {
    figure: 'start to ready with a local authorization server',
    bound: { most: 400 },
    unit: 'ms',
    measure: startMs,
  },
]
