import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createMetrics, type Metrics } from '../../../src/observe/metrics.ts'
import { type Family, parseExposition } from '../../helpers/exposition.ts'
import { findPrograms, MAY_SKIP } from '../../helpers/tools.ts'

const ODD = 'a "b" \\ \\n c\nd,e="f"}'

/** Metrics of everything that there is, with something in each. */
function busyMetrics(): Metrics {
  const metrics = createMetrics({ version: '1.2.3' })
  for (const name of ['orders', 'invoices', ODD]) {
    const route = metrics.route(name)
    route.started()
    route.finished('GET', 200, 12)
    route.started()
    route.finished('POST', 502, 70_000)
    route.started()
    route.failed('upstream_timeout')
    route.tokenWaited(3)
    route.upstreamAnswered(401, 0.2, '1.1')
  }
  metrics.tokenRequests('corp').finished('success', 100)
  metrics.tokenRequests('corp').finished('token_rejected', 100)
  metrics.tokenRequests('partner').finished('success', 5)
  const inHand = { usable: true, expiresAtMs: 1_793_534_400_500, lifetimeMs: 300_000 }
  const none = { usable: false, expiresAtMs: undefined, lifetimeMs: undefined }
  const load = { connected: 3, running: 2, queued: 1 }
  metrics.watch({
    tokens: [
      { credential: 'corp', token: 'corp', read: () => inHand },
      { credential: 'corp', token: 'corp/invoices', read: () => inHand },
      { credential: 'partner', token: 'partner', read: () => none },
    ],
    upstreams: [
      { origin: 'https://orders.example.com', read: () => load },
      { origin: 'https://invoices.example.com', read: () => load },
    ],
    rejections: [
      { route: 'orders', read: () => ({ isEveryRequestRejected: true }) },
      { route: 'invoices', read: () => undefined },
    ],
  })
  return metrics
}

const METRICS = busyMetrics()
const FAMILIES = parseExposition(await METRICS.expose())

test('metrics are text as Prometheus reads it', () => {
  expect(METRICS.contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
})

test('nobody else’s metrics are among them, and each is there once', () => {
  const names = FAMILIES.map(({ name }) => name)
  expect(names.length).toBeGreaterThan(15)
  expect(names).toEqual([...new Set(names)])
  expect(names.filter((name) => !/^(?:token_sidecar|process)_[a-z\d_]+$/.test(name))).toEqual([])
})

test('a counter ends in _total, and nothing else does', () => {
  for (const { name, type } of FAMILIES) {
    expect([name, type === 'counter']).toEqual([name, name.endsWith('_total')])
  }
})

test('no series is there twice', () => {
  const series = FAMILIES.flatMap(({ samples }) =>
    samples.map(({ name, labels }) => JSON.stringify([name, ...Object.entries(labels).flat()])),
  )
  expect(series.length).toBeGreaterThan(100)
  expect(series.toSorted()).toEqual([...new Set(series)].toSorted())
})

test('every value is a number', () => {
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

/** The labels but for the bucket's bound: what one histogram is. */
function seriesOf({ labels: { le: _le, ...labels } }: Family['samples'][number]): string {
  return JSON.stringify(labels)
}

test.for(HISTOGRAMS)('the buckets of $name $labels add up', ({ name, samples }) => {
  const buckets = samples
    .filter((sample) => sample.name === `${name}_bucket`)
    .map(({ labels, value }) => ({ le: Number(labels['le']?.replace('+Inf', 'Infinity')), value }))
  expect(buckets.map(({ le }) => le)).toEqual(buckets.map(({ le }) => le).toSorted((a, b) => a - b))
  expect(buckets.map(({ value }) => value)).toEqual(
    buckets.map(({ value }) => value).toSorted((a, b) => a - b),
  )
  expect(buckets.length).toBe(17)
  const count = samples.find((sample) => sample.name === `${name}_count`)
  expect(buckets.at(-1)).toEqual({ le: Infinity, value: count?.value })
  expect(samples.filter((sample) => sample.name === `${name}_sum`)).toHaveLength(1)
})

test('there are histograms of each route and each credential', () => {
  expect(HISTOGRAMS).toHaveLength(3 * 3 + 2)
})

test('a label may have any characters in it', () => {
  const routes = FAMILIES.flatMap(({ samples }) => samples.map(({ labels }) => labels['route']))
  expect(new Set(routes)).toEqual(new Set(['invoices', 'orders', ODD, undefined]))
})

test('what has been counted is shown', () => {
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

test('times are seconds', () => {
  const token = { token: 'corp/invoices' }
  expect(valueOf('token_sidecar_token_expiry_timestamp_seconds', token)).toBe(1_793_534_400.5)
  expect(valueOf('token_sidecar_token_lifetime_seconds', token)).toBe(300)
  expect(valueOf('token_sidecar_request_duration_seconds_sum', { route: 'orders' })).toBe(70.012)
  const startedAt = valueOf('process_start_time_seconds', {}) ?? 0
  expect(Math.abs(startedAt - Date.now() / 1000)).toBeLessThan(3600)
})

test('a token that is not in hand has no expiry, and is not usable', () => {
  const token = { token: 'partner' }
  expect(valueOf('token_sidecar_token_usable', token)).toBe(0)
  expect(valueOf('token_sidecar_token_expiry_timestamp_seconds', token)).toBeUndefined()
  expect(valueOf('token_sidecar_token_lifetime_seconds', token)).toBeUndefined()
})

test('a second look shows the same numbers, and then what came since', async () => {
  const metrics = busyMetrics()
  await metrics.expose()
  const total = async () =>
    await currentValue(metrics, 'token_sidecar_requests_total', { route: 'orders', method: 'GET' })
  expect(await total()).toBe(1)
  metrics.route('orders').finished('GET', 200, 1)
  expect(await total()).toBe(2)
})

test('a route is rejected while its API has accepted nothing since the last success', async () => {
  const name = 'token_sidecar_upstream_rejecting'
  expect(await currentValue(METRICS, name, { route: 'orders' })).toBe(1)
  expect(await currentValue(METRICS, name, { route: 'invoices' })).toBe(0)
})

test('responses with 401 and 403 are counted apart', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  const route = metrics.route('orders')
  for (const status of [401, 403, 403, 200, 500]) route.upstreamAnswered(status, 1, '1.1')
  const of = async (name: string) => await currentValue(metrics, name, { route: 'orders' })
  expect(await of('token_sidecar_upstream_unauthorized_total')).toBe(1)
  expect(await of('token_sidecar_upstream_forbidden_total')).toBe(2)
})

test('two pools to one origin are one series with the sum of both', async () => {
  const metrics = createMetrics({ version: '1.2.3' })
  const origin = 'https://orders.example.com'
  metrics.watch({
    tokens: [],
    upstreams: [
      { origin, read: () => ({ connected: 3, running: 2, queued: 1 }) },
      { origin, read: () => ({ connected: 10, running: 20, queued: 30 }) },
    ],
    rejections: [],
  })
  const of = async (name: string) => await currentValue(metrics, name, { upstream: origin })
  expect(await of('token_sidecar_upstream_connections')).toBe(13)
  expect(await of('token_sidecar_upstream_requests_running')).toBe(22)
  expect(await of('token_sidecar_upstream_requests_queued')).toBe(31)
})

test('two sidecars in one process do not share their numbers', async () => {
  const one = createMetrics({ version: '1.2.3' })
  const other = createMetrics({ version: '1.2.3' })
  one.route('orders').started()
  other.route('orders')
  const route = { route: 'orders' }
  expect(await currentValue(other, 'token_sidecar_requests_in_flight', route)).toBe(0)
})

test('every metric has the type and the labels that it is described with', () => {
  const described = METRICS.descriptions.map(
    ({ name, type, labels }) => `${name} ${type} ${labels.join(', ')}`,
  )
  const exposed = FAMILIES.map(({ name, type, samples: [first] }) => {
    const labels = Object.keys(first?.labels ?? {}).filter((label) => label !== 'le')
    return `${name} ${type} ${labels.join(', ')}`
  })
  expect(described).toEqual(exposed)
})

/** The running program's, which need no explanation. */
const PLAIN_LABELS: ReadonlySet<string> = new Set(['version', 'node'])

test('docs/metrics.md explains every label, and no other', () => {
  const labels = METRICS.descriptions.flatMap((description) => description.labels)
  const [, table = ''] = readFileSync('docs/metrics.md', 'utf8').split('| Label ')
  const [rows = ''] = table.split('\n\n')
  const explained = [...rows.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name)
  expect(new Set(explained)).toEqual(new Set(labels).difference(PLAIN_LABELS))
})

const [promtool] = findPrograms('promtool')

test.skipIf(promtool === undefined && MAY_SKIP)(
  'promtool finds nothing to say about the metrics (skipped where there is no promtool)',
  async () => {
    const { status, stdout, stderr } = spawnSync(promtool ?? 'promtool', ['check', 'metrics'], {
      input: await METRICS.expose(),
      encoding: 'utf8',
    })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
  },
)

type Labels = Readonly<Record<string, string>>

/** The value of the one series with these labels; undefined if there is none. */
function valueOf(name: string, labels: Labels, families = FAMILIES): number | undefined {
  const found = families
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name)
    .filter((sample) =>
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
  if (found.length > 1) throw new Error(`${name} is there ${found.length} times`)
  return found[0]?.value
}

/** The same, as it is now. */
async function currentValue(metrics: Metrics, name: string, labels: Labels) {
  return valueOf(name, labels, parseExposition(await metrics.expose()))
}
