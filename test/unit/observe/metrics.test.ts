import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createMetrics, type Metrics } from '../../../src/observe/metrics.ts'
import { busyMetrics, ODD } from '../../helpers/busy-metrics.ts'
import { type Family, parseExposition } from '../../helpers/exposition.ts'

const METRICS = busyMetrics()
const FAMILIES = parseExposition(METRICS.expose())

test('the content type is that of the Prometheus text format', () => {
  expect(METRICS.contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
})

test('only metrics of the sidecar and the process are exposed, each once', () => {
  const names = FAMILIES.map(({ name }) => name)
  expect(names.length).toBeGreaterThan(15)
  expect(names).toEqual([...new Set(names)])
  expect(names.filter((name) => !/^(?:token_sidecar|process)_[a-z\d_]+$/.test(name))).toEqual([])
})

test('names of counters end in _total, and no others', () => {
  for (const { name, type } of FAMILIES) {
    expect([name, type === 'counter']).toEqual([name, name.endsWith('_total')])
  }
})

test('no series is exposed twice', () => {
  const series = FAMILIES.flatMap(({ samples }) =>
    samples.map(({ name, labels }) => JSON.stringify([name, ...Object.entries(labels).flat()])),
  )
  expect(series.length).toBeGreaterThan(100)
  expect(series.toSorted()).toEqual([...new Set(series)].toSorted())
})

test('every value is a finite number', () => {
  const samples = FAMILIES.flatMap((family) => family.samples)
  expect(samples.filter(({ value }) => !Number.isFinite(value))).toEqual([])
})

const HISTOGRAMS = FAMILIES.filter(({ type }) => type === 'histogram').flatMap((family) =>
  [...Map.groupBy(family.samples, seriesOf)].map(([labels, samples]) => ({
    ...family,
    labels,
    samples,
  })),
)

/** The labels without the bucket bound, which identify one histogram. */
function seriesOf({ labels: { le: _le, ...labels } }: Family['samples'][number]): string {
  return JSON.stringify(labels)
}

test.for(HISTOGRAMS)(
  'the buckets of $name $labels are cumulative, and complete',
  ({ name, samples }) => {
    const buckets = samples
      .filter((sample) => sample.name === `${name}_bucket`)
      .map(({ labels, value }) => ({
        le: Number(labels['le']?.replace('+Inf', 'Infinity')),
        value,
      }))
    expect(buckets.map(({ le }) => le)).toEqual(
      buckets.map(({ le }) => le).toSorted((a, b) => a - b),
    )
    expect(buckets.map(({ value }) => value)).toEqual(
      buckets.map(({ value }) => value).toSorted((a, b) => a - b),
    )
    expect(buckets.length).toBe(17)
    const count = samples.find((sample) => sample.name === `${name}_count`)
    expect(buckets.at(-1)).toEqual({ le: Infinity, value: count?.value })
    expect(samples.filter((sample) => sample.name === `${name}_sum`)).toHaveLength(1)
  },
)

test('each route and each credential has its histograms', () => {
  expect(HISTOGRAMS).toHaveLength(3 * 3 + 2)
})

test('a label value may contain any character', () => {
  const routes = FAMILIES.flatMap(({ samples }) => samples.map(({ labels }) => labels['route']))
  expect(new Set(routes)).toEqual(new Set(['invoices', 'orders', ODD, undefined]))
})

test('recorded values are exposed', () => {
  expect(valueOf('token_sidecar_requests_total', { route: 'orders', method: 'GET' })).toBe(1)
  expect(valueOf('token_sidecar_requests_total', { route: 'orders', status: '5xx' })).toBe(1)
  expect(valueOf('token_sidecar_requests_in_flight', { route: 'orders' })).toBe(1)
  expect(valueOf('token_sidecar_upstream_unauthorized_total', { route: ODD })).toBe(1)
  const failures = { route: 'orders', code: 'upstream_timeout' }
  expect(valueOf('token_sidecar_request_failures_total', failures)).toBe(1)
  const outcomes = { credential: 'corp', outcome: 'token_rejected' }
  expect(valueOf('token_sidecar_token_requests_total', outcomes)).toBe(1)
  const build = { version: '1.2.3', node: process.versions.node }
  expect(valueOf('token_sidecar_build_info', build)).toBe(1)
  const upstream = { upstream: 'https://orders.example.com' }
  expect(valueOf('token_sidecar_upstream_connections', upstream)).toBe(3)
  expect(valueOf('token_sidecar_upstream_requests_running', upstream)).toBe(2)
  expect(valueOf('token_sidecar_upstream_requests_queued', upstream)).toBe(1)
})

test('times are exposed in seconds', () => {
  const token = { token: 'corp/invoices' }
  expect(valueOf('token_sidecar_token_expiry_timestamp_seconds', token)).toBe(1_793_534_400.5)
  expect(valueOf('token_sidecar_token_lifetime_seconds', token)).toBe(300)
  expect(valueOf('token_sidecar_request_duration_seconds_sum', { route: 'orders' })).toBe(70.012)
  const startedAt = valueOf('process_start_time_seconds', {}) ?? 0
  expect(Math.abs(startedAt - Date.now() / 1000)).toBeLessThan(3600)
})

test('a token that was not obtained has no expiry, and is not usable', () => {
  const token = { token: 'partner' }
  expect(valueOf('token_sidecar_token_usable', token)).toBe(0)
  expect(valueOf('token_sidecar_token_expiry_timestamp_seconds', token)).toBeUndefined()
  expect(valueOf('token_sidecar_token_lifetime_seconds', token)).toBeUndefined()
})

test('a second exposition has the same values, and includes later changes', async () => {
  const metrics = busyMetrics()
  metrics.expose()
  const total = () =>
    currentValue(metrics, 'token_sidecar_requests_total', { route: 'orders', method: 'GET' })
  expect(total()).toBe(1)
  metrics.route('orders').finished('GET', 200, 1)
  expect(total()).toBe(2)
})

test('token_sidecar_upstream_rejecting is 1 for a route whose API rejects every request', async () => {
  const name = 'token_sidecar_upstream_rejecting'
  expect(currentValue(METRICS, name, { route: 'orders' })).toBe(1)
  expect(currentValue(METRICS, name, { route: 'invoices' })).toBe(0)
})

test('responses with 401 and 403 are counted separately', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  const route = metrics.route('orders')
  for (const status of [401, 403, 403] as const) route.notAuthorized(status)
  const of = async (name: string) => currentValue(metrics, name, { route: 'orders' })
  expect(await of('token_sidecar_upstream_unauthorized_total')).toBe(1)
  expect(await of('token_sidecar_upstream_forbidden_total')).toBe(2)
})

test('two pools of the same origin are one series with their sum', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  const origin = 'https://orders.example.com'
  metrics.watch({
    tokens: [],
    upstreams: [
      { origin, read: () => ({ connected: 3, running: 2, queued: 1 }) },
      { origin, read: () => ({ connected: 10, running: 20, queued: 30 }) },
    ],
    rejections: [],
    hasTokenStore: false,
  })
  const of = async (name: string) => currentValue(metrics, name, { upstream: origin })
  expect(await of('token_sidecar_upstream_connections')).toBe(13)
  expect(await of('token_sidecar_upstream_requests_running')).toBe(22)
  expect(await of('token_sidecar_upstream_requests_queued')).toBe(31)
})

test('two sidecars in one process do not share metrics', async () => {
  const one = createMetrics({ version: '1.2.3' })
  const other = createMetrics({ version: '1.2.3' })
  one.route('orders').started()
  other.route('orders')
  const route = { route: 'orders' }
  expect(currentValue(other, 'token_sidecar_requests_in_flight', route)).toBe(0)
})

test('every metric has the type and the labels of its description', () => {
  const described = METRICS.descriptions.map(
    ({ name, type, labels }) => `${name} ${type} ${labels.join(', ')}`,
  )
  const exposed = FAMILIES.map(({ name, type, samples: [first] }) => {
    const labels = Object.keys(first?.labels ?? {}).filter((label) => label !== 'le')
    return `${name} ${type} ${labels.join(', ')}`
  })
  expect(described).toEqual(exposed)
})

/** Labels that need no explanation. */
const PLAIN_LABELS: ReadonlySet<string> = new Set(['version', 'node'])

test('docs/metrics.md explains every label, and no other', () => {
  const labels = METRICS.descriptions.flatMap((description) => description.labels)
  const [, table = ''] = readFileSync('docs/metrics.md', 'utf8').split('| Label ')
  const [rows = ''] = table.split('\n\n')
  const explained = [...rows.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name)
  expect(new Set(explained)).toEqual(new Set(labels).difference(PLAIN_LABELS))
})

type Labels = Readonly<Record<string, string>>

/** The value of the only series with these labels; undefined if there is none. */
function valueOf(name: string, labels: Labels, families = FAMILIES): number | undefined {
  const found = families
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name)
    .filter((sample) =>
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
  if (found.length > 1) throw new Error(`${name} has ${found.length} series`)
  return found[0]?.value
}

/** The current value of the series. */
function currentValue(metrics: Metrics, name: string, labels: Labels) {
  return valueOf(name, labels, parseExposition(metrics.expose()))
}
