import { expect, test } from 'vitest'
import type { EntryResult, Round } from '../../../bench/measure/result.ts'
import { BUDGETS } from '../../../bench/report/budgets.ts'
import type { Figures } from '../../../bench/report/figures.ts'
import { budgetTable, evaluateBudget } from '../../../bench/report/verdict.ts'

const MB = 1_000_000

/** Rounds that cost so many microseconds for each request. */
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

function verdictOn(start: string, figures: Figures) {
  const budget = BUDGETS.find(({ figure }) => figure.startsWith(start))
  if (budget === undefined) throw new Error(`there is no budget "${start}"`)
  const { measured, verdict } = evaluateBudget(budget, figures)
  return { measured, verdict }
}

const BARE = 'CPU per request, small GET, against the bare'

test.for([
  { own: 950, verdict: 'met' },
  { own: 951, verdict: 'missed' },
])('the CPU budget of 0.95 is $verdict at $own µs against 1000', ({ own, verdict }) => {
  const figures = inCase(
    'get',
    entry('token-sidecar', rounds(own)),
    entry('bare-dispatch', rounds(1000)),
  )
  expect(verdictOn(BARE, figures).verdict).toBe(verdict)
})

test('what slows both down in one round does not count', () => {
  const figures = inCase(
    'get',
    entry('token-sidecar', rounds(90, 270, 92)),
    entry('bare-dispatch', rounds(100, 300, 100)),
  )
  expect(verdictOn(BARE, figures)).toEqual({ measured: '0.90 × (0.90–0.92)', verdict: 'met' })
})

test('the variation is looked at that a budget is about', () => {
  const figures = inCase(
    'routes',
    entry('token-sidecar', rounds(100)),
    entry('token-sidecar', rounds(120), ', 200 routes'),
  )
  expect(verdictOn('CPU per request, 200 routes', figures)).toEqual({
    measured: '1.20 × (1.20–1.20)',
    verdict: 'missed',
  })
})

test('throughput has a lower bound', () => {
  const own = rounds(100).map((round) => ({ ...round, seconds: 1.3 }))
  const figures = inCase('download', entry('token-sidecar', own), entry('haproxy', rounds(50)))
  expect(verdictOn('throughput', figures).verdict).toBe('missed')
})

test('latency is what is added to that without a proxy', () => {
  const figures = inCase(
    'rate',
    entry('no-proxy', latency(0.2, 1)),
    entry('token-sidecar', latency(0.6, 4)),
    entry('bare-dispatch', latency(0.3, 2)),
  )
  expect(verdictOn('latency added at 1,000 requests/s, p50', figures).verdict).toBe('met')
  // 3 ms more against 1 ms more.
  expect(verdictOn('latency added at 1,000 requests/s, p99', figures).verdict).toBe('missed')
})

test('a ratio of added latency is not measured where the bare loop adds none', () => {
  const figures = inCase(
    'rate',
    entry('no-proxy', latency(1, 2)),
    entry('token-sidecar', latency(1, 4)),
    entry('bare-dispatch', latency(1, 1.9)),
  )
  expect(verdictOn('latency added at 1,000 requests/s, p99', figures).verdict).toBe('not measured')
})

test('the hour is judged by its last quarter against its first', () => {
  const memory = {
    restBytes: 91 * MB,
    under32Bytes: 100 * MB,
    under256Bytes: 110 * MB,
    hour: { requests: 8, residentBytes: [100, 102, 500, 90, 90, 20, 130, 128].map((n) => n * MB) },
    aborted: { requests: 1, beforeBytes: 1, halfWayBytes: 1, afterBytes: 1 },
  }
  const figures = { cases: [], memory }
  expect(verdictOn('memory at rest', figures).verdict).toBe('missed')
  expect(verdictOn('memory under 256', figures).verdict).toBe('met')
  expect(verdictOn('memory over an hour', figures)).toEqual({
    measured: '1.28 × (101 MB → 129 MB in 8 requests)',
    verdict: 'missed',
  })
})

test.for([
  { tokenRequests: 7, burst: 1, verdict: 'met' },
  { tokenRequests: 8, burst: 1, verdict: 'missed' },
  { tokenRequests: 7, burst: 2, verdict: 'missed' },
])(
  '$tokenRequests token requests where 7 are expected, and $burst for a burst: $verdict',
  ({ tokenRequests, burst, verdict }) => {
    const tokens = {
      lifetimeSeconds: 5,
      expected: 7,
      seconds: 30,
      requests: 1_000_000,
      tokenRequests,
      burst: { requests: 200, tokenRequests: burst },
    }
    expect(verdictOn('token requests', { cases: [], tokens }).verdict).toBe(verdict)
  },
)

test('start-up is judged by the median', () => {
  const start = { readyMs: [900, 300, 310] }
  expect(verdictOn('start to ready', { cases: [], start })).toEqual({
    measured: '310 ms (300–900 in 3 starts)',
    verdict: 'met',
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
    what: 'a contender that is not there',
    figures: inCase('get', entry('token-sidecar', rounds(1)), {
      ...entry('bare-dispatch', []),
      leftOut: 'it is not on the PATH',
    }),
    measured: 'it is not on the PATH',
  },
])('$what makes no verdict, and says why', ({ figures, measured }) => {
  expect(verdictOn(BARE, figures)).toEqual({ measured, verdict: 'not measured' })
})

test('every budget stands in the table', () => {
  const table = budgetTable(BUDGETS, { cases: [] })
  expect(table.trimEnd().split('\n')).toHaveLength(BUDGETS.length + 2)
  expect(table).toContain('≤ 0.95 ×')
  expect(table).toContain('≥ 0.8 ×')
})
