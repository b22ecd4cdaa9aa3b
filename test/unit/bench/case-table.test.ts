import { expect, test } from 'vitest'
import type { Round } from '../../../bench/measure/result.ts'
import { caseTable } from '../../../bench/report/case-table.ts'
import { markdownTable } from '../../../bench/report/markdown-table.ts'

function round(differs: Partial<Round>): Round {
  return {
    requests: 1000,
    seconds: 2,
    bodyBytes: 4_000_000,
    cpuMicros: 50_000,
    residentBytes: 80_000_000,
    p50Ms: 1,
    p99Ms: 3,
    ...differs,
  }
}

test('table columns are as wide as their text', () => {
  expect(
    markdownTable(
      ['', 'µs'],
      [
        ['nginx', '17'],
        ['http-proxy', '1,234'],
      ],
    ),
  ).toBe(`|            |    µs |
| ---------- | ----: |
| nginx      |    17 |
| http-proxy | 1,234 |
`)
})

test('a case table shows medians, spreads, ratios and the reasons for missing figures', () => {
  const table = caseTable({
    name: 'get',
    title: 'GET',
    entries: [
      {
        contender: 'token-sidecar',
        label: '',
        rounds: [round({ cpuMicros: 60_000 }), round({ cpuMicros: 58_000 })],
      },
      { contender: 'bare-dispatch', label: '', rounds: [round({}), round({})] },
      { contender: 'nginx', label: '', rounds: [], failure: 'the probe got status 502' },
      { contender: 'envoy', label: '', rounds: [], leftOut: 'no "envoy"' },
    ],
  })
  expect(table).toBe(`### GET (\`get\`)

|               | CPU µs/request (spread) | requests/s | resident MB | × bare loop |
| ------------- | ----------------------: | ---------: | ----------: | ----------: |
| token-sidecar |        59.0 (58.0–60.0) |        500 |        80.0 |        1.18 |
| bare-dispatch |        50.0 (50.0–50.0) |        500 |        80.0 |        1.00 |
| nginx         |                  failed |            |             |             |

- **nginx failed:** the probe got status 502
- envoy: – (no "envoy")
`)
})

test('the table of a fixed rate shows the latency added to a direct request', () => {
  const table = caseTable({
    name: 'rate',
    title: 'Rate',
    shows: 'latency',
    entries: [
      { contender: 'no-proxy', label: '', rounds: [round({ p50Ms: 0.2, p99Ms: 1 })] },
      { contender: 'haproxy', label: '', rounds: [round({ p50Ms: 0.5, p99Ms: 1.5 })] },
    ],
  })
  const cells = table.split('\n').find((line) => line.startsWith('| haproxy'))
  expect(cells?.split('|').map((cell) => cell.trim())).toEqual([
    '',
    'haproxy',
    '0.50 (0.50–0.50)',
    '1.50 (1.50–1.50)',
    '0.30',
    '0.50',
    '50.0 (50.0–50.0)',
    '80.0',
    '',
  ])
})

test('growth is relative to the first step of the same contender', () => {
  const table = caseTable({
    name: 'scale-routes',
    title: 'Routes',
    shows: 'growth',
    entries: [
      { contender: 'nginx', label: ', 1 route', rounds: [round({})] },
      { contender: 'nginx', label: ', 20 routes', rounds: [round({ cpuMicros: 75_000 })] },
    ],
  })
  expect(table).toMatch(/^\| nginx, 20 routes .* 1\.50 \|$/m)
})

test('the table of large bodies is per megabyte', () => {
  const table = caseTable({
    name: 'download',
    title: 'Download',
    shows: 'throughput',
    entries: [
      {
        contender: 'nginx',
        label: '',
        rounds: [round({}), round({ residentBytes: 90_000_000 })],
      },
    ],
  })
  expect(table).toContain('12,500 (12,500–12,500) | 2.00 (2.00–2.00)')
  expect(table).toContain('80.0 → 90.0')
})
