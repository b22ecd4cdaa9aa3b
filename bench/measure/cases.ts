import { SMALL_GET, type Workload } from './workload.ts'

export type Case = {
  readonly name: string
  readonly title: string
  /** The compared workloads; more than one if a contender is also compared with itself. */
  readonly variations: readonly Variation[]
  /** The names of the contenders in this case; all by default. */
  readonly only?: readonly string[]
  readonly isQuick: boolean
  /** The columns that replace or extend CPU, requests per second and memory. */
  readonly shows?: 'latency' | 'throughput' | 'growth'
}

export type Variation = {
  /** A suffix to the name of the contender. */
  readonly label: string
  readonly workload: Workload
}

const MIB = 1024 * 1024
const HTTP2: Partial<Workload> = { http2: 'both', connections: 4, streams: 8 }

export const CASES: readonly Case[] = [
  single('get', 'GET, 100-byte response, 32 connections', {}, { isQuick: true }),
  single('get-1', 'GET, 100-byte response, 1 connection', { connections: 1 }),
  single('get-256', 'GET, 100-byte response, 256 connections', { connections: 256 }),
  single(
    'post',
    'POST of 1 KiB, 32 connections',
    { method: 'POST', bodyBytes: 1024 },
    { isQuick: true },
  ),
  single(
    'download',
    'GET, 1 MiB response, 32 connections',
    { response: 'mebibyte' },
    { isQuick: true, shows: 'throughput' },
  ),
  single(
    'upload',
    'POST of 10 MiB, 8 connections',
    { method: 'POST', bodyBytes: 10 * MIB, connections: 8 },
    { shows: 'throughput' },
  ),
  single('tls', 'GET over TLS to the upstream, 32 connections', { upstreamTls: true }),
  single('headers', 'GET with 20 header fields, 32 connections', { headers: 20 }),
  {
    name: 'routes',
    title: 'GET with 200 routes and with 1, 32 connections',
    isQuick: false,
    variations: [
      { label: '', workload: SMALL_GET },
      { label: ', 200 routes', workload: { ...SMALL_GET, routes: 200 } },
    ],
    only: ['token-sidecar', 'bare-dispatch', 'haproxy', 'nginx', 'envoy'],
  },
  {
    name: 'log',
    title: 'GET with the access log on (to a file), 32 connections',
    isQuick: true,
    variations: [
      { label: '', workload: SMALL_GET },
      { label: ', access log on', workload: { ...SMALL_GET, accessLog: true } },
    ],
    only: ['token-sidecar', 'bare-dispatch'],
  },
  single('h2', 'GET over HTTP/2 on both sides, 4 connections × 8 streams', HTTP2),
  {
    name: 'h1-to-h2',
    title:
      'GET over HTTP/1.1 to an HTTP/2 upstream and over HTTP/2 on both sides, 32 concurrent requests',
    isQuick: false,
    variations: [
      { label: '', workload: { ...SMALL_GET, ...HTTP2 } },
      { label: ', HTTP/1.1 in', workload: { ...SMALL_GET, http2: 'upstream' } },
    ],
    only: ['token-sidecar', 'haproxy', 'envoy'],
  },
  single('grpc-unary', 'gRPC, unary calls of 100 bytes, 4 connections × 8 streams', {
    ...HTTP2,
    method: 'POST',
    bodyBytes: 100,
    response: 'unary',
  }),
  single(
    'grpc-stream',
    'gRPC, server streams of 1,000 messages of 1 KiB, 4 connections × 8 streams',
    { ...HTTP2, method: 'POST', bodyBytes: 100, response: 'stream' },
    { shows: 'throughput' },
  ),
  single(
    'h2-download',
    'GET over HTTP/2, 1 MiB response, 4 connections × 8 streams',
    { ...HTTP2, response: 'mebibyte' },
    { shows: 'throughput' },
  ),
  single(
    'rate',
    'GET at 1,000 requests/s, 32 connections',
    { perSecond: 1000 },
    { isQuick: true, shows: 'latency' },
  ),
]

/** Scaling: each row is compared with the first row of the same contender. */
export const SCALE_CASES: readonly Case[] = [
  growing('scale-routes', 'Routes', [1, 20, 200, 2000], (routes) => ({ routes }), 'route'),
  growing(
    'scale-connections',
    'Connections',
    [1, 32, 256, 1000],
    (connections) => ({ connections }),
    'connection',
  ),
  growing(
    'scale-headers',
    'Header fields',
    [5, 20, 60],
    (headers) => ({ headers }),
    'header field',
  ),
]

function single(
  name: string,
  title: string,
  differs: Partial<Workload>,
  more: Partial<Case> = {},
): Case {
  const variations = [{ label: '', workload: { ...SMALL_GET, ...differs } }]
  return { name, title, variations, isQuick: false, ...more }
}

function growing(
  name: string,
  title: string,
  steps: readonly number[],
  differs: (step: number) => Partial<Workload>,
  unit: string,
): Case {
  return {
    name,
    title: `${title}: GET, 100-byte response`,
    isQuick: true,
    shows: 'growth',
    variations: steps.map((step) => ({
      label: `, ${step} ${unit}${step === 1 ? '' : 's'}`,
      workload: { ...SMALL_GET, ...differs(step) },
    })),
  }
}
