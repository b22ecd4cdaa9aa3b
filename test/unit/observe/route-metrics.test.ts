import { expect, test } from 'vitest'
import { FAILURE_CODES } from '../../../src/errors.ts'
import { createRouteMetrics } from '../../../src/observe/route-metrics.ts'
import { createTokenRequestMetrics } from '../../../src/observe/token-request-metrics.ts'

test.for([
  { method: 'GET', status: 200, counted: { method: 'GET', status: '2xx' } },
  { method: 'DELETE', status: 404, counted: { method: 'DELETE', status: '4xx' } },
  { method: 'POST', status: 303, counted: { method: 'POST', status: '3xx' } },
  { method: 'PUT', status: 599, counted: { method: 'PUT', status: '5xx' } },
  { method: 'PATCH', status: 499, counted: { method: 'PATCH', status: '4xx' } },
  { method: 'OPTIONS', status: 101, counted: { method: 'OPTIONS', status: '1xx' } },
  { method: 'PROPFIND', status: 207, counted: { method: 'other', status: '2xx' } },
  { method: 'get', status: 200, counted: { method: 'other', status: '2xx' } },
  { method: '', status: 400, counted: { method: 'other', status: '4xx' } },
  { method: 'constructor', status: 200, counted: { method: 'other', status: '2xx' } },
  { method: 'HEAD', status: 0, counted: { method: 'HEAD', status: '1xx' } },
  { method: 'HEAD', status: 999, counted: { method: 'HEAD', status: '5xx' } },
])('$method with status $status is counted as $counted', ({ method, status, counted }) => {
  const metrics = createRouteMetrics()
  metrics.started()
  metrics.finished(method, status, 1)
  expect(metrics.read().requests).toEqual([{ ...counted, count: 1 }])
})

test('unknown methods share the label "other"', () => {
  const metrics = createRouteMetrics()
  for (let i = 0; i < 100; i += 1) metrics.finished(`METHOD-${i}`, 200, 1)
  expect(metrics.read().requests).toEqual([{ method: 'other', status: '2xx', count: 100 }])
})

test('requests are in flight from their start to their end', () => {
  const metrics = createRouteMetrics()
  metrics.started()
  metrics.started()
  expect(metrics.read().inFlight).toBe(2)
  metrics.finished('GET', 200, 1)
  expect(metrics.read().inFlight).toBe(1)
  metrics.finished('GET', 499, 1)
  expect(metrics.read().inFlight).toBe(0)
})

test('every failure code is exposed from the start, so that the first failure is an increase', () => {
  const metrics = createRouteMetrics()
  expect(metrics.read().failures).toEqual(FAILURE_CODES.map((code) => ({ code, count: 0 })))
  metrics.failed('upstream_reset')
  metrics.failed('upstream_reset')
  expect(metrics.read().failures).toContainEqual({ code: 'upstream_reset', count: 2 })
  expect(metrics.read().failures).toContainEqual({ code: 'upstream_tls', count: 0 })
})

test('durations of requests, upstream responses and token waits have separate histograms', () => {
  const metrics = createRouteMetrics()
  metrics.finished('GET', 200, 1_000)
  metrics.upstreamResponded(2_000, '1.1')
  metrics.tokenWaited(3_000)
  const { duration, upstream, tokenWait } = metrics.read()
  expect(duration.read()).toMatchObject({ count: 1, sumSeconds: 1 })
  expect(upstream.read()).toMatchObject({ count: 1, sumSeconds: 2 })
  expect(tokenWait.read()).toMatchObject({ count: 1, sumSeconds: 3 })
})

test('only a 401 of the upstream is counted as unauthorized', () => {
  const metrics = createRouteMetrics()
  metrics.upstreamResponded(1, '1.1')
  metrics.notAuthorized(401)
  metrics.upstreamResponded(1, '1.1')
  metrics.notAuthorized(403)
  metrics.finished('GET', 401, 1)
  expect(metrics.read().unauthorized).toBe(1)
})

test('outcomes of token requests are exposed from the start, and counted', () => {
  const metrics = createTokenRequestMetrics()
  expect(Object.fromEntries(metrics.read().outcomes)).toEqual({
    success: 0,
    token_unavailable: 0,
    token_rejected: 0,
    token_invalid: 0,
  })
  metrics.finished('success', 100)
  metrics.finished('token_rejected', 200)
  metrics.finished('internal_error', 300)
  metrics.finished('success', 400)
  expect(Object.fromEntries(metrics.read().outcomes)).toEqual({
    success: 2,
    token_unavailable: 0,
    token_rejected: 1,
    token_invalid: 0,
    internal_error: 1,
  })
  expect(metrics.read().duration.read()).toMatchObject({ count: 4, sumSeconds: 1 })
})
