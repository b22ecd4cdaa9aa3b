import { expect, test } from 'vitest'
import type { EntryResult, Round } from '../../../bench/measure/result.ts'
import { BUDGETS } from '../../../bench/report/budgets.ts'
import type { Figures } from '../../../bench/report/figures.ts'
import { budgetTable, evaluateBudget } from '../../../bench/report/budget-result.ts'

const MB = 1_000_000

/** Rounds with these CPU times per request, in microseconds. */
function rounds(...cpuEach: readonly number[]): Round[] {
  return cpuEach.map((each) => ({
    requests: 1000,
    seconds: 1,
    bodyBytes: 100_000,
    cpuMicros: each * 1000,
    residentBytes: 100 * MB,
    p50Ms: 1,
    p99Ms: 2,
  }))
}

function latency(p50Ms: number, p99Ms: number): Round[] {
  return rounds(1).map((round) => ({ ...round, p50Ms, p99Ms }))
}

function entry(contender: string, own: readonly Round[], label = ''): EntryResult {
  return { contender, label, rounds: own }
}

function inCase(name: string, ...entries: readonly EntryResult[]): Figures {
  return { cases: [{ name, title: name, entries }] }
}

function resultOf(start: string, figures: Figures) {
  const budget = BUDGETS.find(({ figure }) => figure.startsWith(start))
  if (budget === undefined) throw new Error(`there is no budget "${start}"`)
  const { measured, result } = evaluateBudget(budget, figures)
  return { measured, result }
}

const BARE = 'CPU per request, small GET, against the bare'

test.for([
  { own: 950, result: 'met' },
  { own: 951, result: 'missed' },
])('the CPU budget of 0.95 is $result for $own µs compared with 1000 µs', ({ own, result }) => {
  const figures = inCase(
    'get',
    entry('token-sidecar', rounds(own)),
    entry('bare-dispatch', rounds(1000)),
  )
  expect(resultOf(BARE, figures).result).toBe(result)
})

test('a slowdown of both contenders in the same round does not affect the ratio', () => {
  const figures = inCase(
    'get',
    entry('token-sidecar', rounds(90, 270, 92)),
    entry('bare-dispatch', rounds(100, 300, 100)),
  )
  expect(resultOf(BARE, figures)).toEqual({ measured: '0.90 × (0.90–0.92)', result: 'met' })
})

test('a budget for a variation uses the figures of that variation', () => {
  const figures = inCase(
    'routes',
    entry('token-sidecar', rounds(100)),
    entry('token-sidecar', rounds(120), ', 200 routes'),
  )
  expect(resultOf('CPU per request, 200 routes', figures)).toEqual({
    measured: '1.20 × (1.20–1.20)',
    result: 'missed',
  })
})

test('the throughput budget is a lower bound', () => {
  const own = rounds(100).map((round) => ({ ...round, seconds: 1.3 }))
  const figures = inCase('download', entry('token-sidecar', own), entry('haproxy', rounds(50)))
  expect(resultOf('throughput', figures).result).toBe('missed')
})

test('the latency budget counts only what the proxy adds to a direct request', () => {
  const figures = inCase(
    'rate',
    entry('no-proxy', latency(0.2, 1)),
    entry('token-sidecar', latency(0.6, 4)),
    entry('bare-dispatch', latency(0.3, 2)),
  )
  expect(resultOf('latency added at 1,000 requests/s, p50', figures).result).toBe('met')
  // 3 ms more against 1 ms more.
  expect(resultOf('latency added at 1,000 requests/s, p99', figures).result).toBe('missed')
})

test('a ratio of added latencies is not measured if the bare loop adds none', () => {
  const figures = inCase(
    'rate',
    entry('no-proxy', latency(1, 2)),
    entry('token-sidecar', latency(1, 4)),
    entry('bare-dispatch', latency(1, 1.9)),
  )
  expect(resultOf('latency added at 1,000 requests/s, p99', figures).result).toBe('not measured')
})

test('memory over an hour is the ratio of the last quarter to the first', () => {
  const memory = {
    restBytes: 91 * MB,
    under32Bytes: 100 * MB,
    under256Bytes: 110 * MB,
    hour: { requests: 8, residentBytes: [100, 102, 500, 90, 90, 20, 130, 128].map((n) => n * MB) },
    aborted: { requests: 1, beforeBytes: 1, halfWayBytes: 1, afterBytes: 1 },
  }
  const figures = { cases: [], memory }
  expect(resultOf('memory at rest', figures).result).toBe('missed')
  expect(resultOf('memory under 256', figures).result).toBe('met')
  expect(resultOf('memory over an hour', figures)).toEqual({
    measured: '1.28 × (101 MB → 129 MB in 8 requests)',
    result: 'missed',
  })
})

test.for([
  { tokenRequests: 7, burst: 1, result: 'met' },
  { tokenRequests: 8, burst: 1, result: 'missed' },
  { tokenRequests: 7, burst: 2, result: 'missed' },
])(
  'the budget of token requests is $result for $tokenRequests instead of 7, and $burst for a burst',
  ({ tokenRequests, burst, result }) => {
    const tokens = {
      lifetimeSeconds: 5,
      expected: 7,
      seconds: 30,
      requests: 1_000_000,
      tokenRequests,
      burst: { requests: 200, tokenRequests: burst },
    }
    expect(resultOf('token requests', { cases: [], tokens }).result).toBe(result)
  },
)

test('the budget of the start-up time applies to the median', () => {
  const start = { readyMs: [900, 300, 310] }
  expect(resultOf('start to ready', { cases: [], start })).toEqual({
    measured: '310 ms (300–900 in 3 starts)',
    result: 'met',
  })
})

test.for<{ what: string; figures: Figures; measured: string }>([
  {
    what: 'a case that was not run',
    figures: { cases: [] },
    measured: 'the case "get" was not run',
  },
  {
    what: 'a contender that was not run',
    figures: inCase('get', entry('token-sidecar', rounds(1))),
    measured: 'bare-dispatch was not run',
  },
  {
    what: 'a contender that failed',
    figures: inCase('get', entry('token-sidecar', rounds(1)), {
      ...entry('bare-dispatch', rounds(1)),
      failure: 'no token',
    }),
    measured: 'bare-dispatch failed',
  },
  {
    what: 'a contender that is not installed',
    figures: inCase('get', entry('token-sidecar', rounds(1)), {
      ...entry('bare-dispatch', []),
      leftOut: 'it is not on the PATH',
    }),
    measured: 'it is not on the PATH',
  },
])(
  'a budget is not measured because of $what, and the reason is shown',
  ({ figures, measured }) => {
    expect(resultOf(BARE, figures)).toEqual({ measured, result: 'not measured' })
  },
)

test('the table has a row for every budget', () => {
  const table = budgetTable(BUDGETS, { cases: [] })
  expect(table.trimEnd().split('\n')).toHaveLength(BUDGETS.length + 2)
  expect(table).toContain('≤ 0.95 ×')
  expect(table).toContain('≥ 0.8 ×')
})
