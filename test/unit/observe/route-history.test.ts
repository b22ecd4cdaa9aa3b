import { expect, test } from 'vitest'
import { createRouteHistory } from '../../../src/observe/route-history.ts'
import { createRouteMetrics } from '../../../src/observe/route-metrics.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

function followRoute() {
  const clock = createFakeClock()
  const history = createRouteHistory(clock)
  const metrics = createRouteMetrics()
  history.follow(new Map([['orders', metrics]]))
  const serve = (count: number, status: number, durationMs: number): void => {
    for (let i = 0; i < count; i += 1) metrics.finished('GET', status, durationMs)
  }
  return { clock, history, metrics, serve }
}

test('a route without requests has no samples', async () => {
  const { clock, history } = followRoute()
  await clock.advance(30_000)
  expect(history.read()).toMatchObject({ latest: 3, intervalSeconds: 10, length: 60, routes: [] })
  expect(history.lastMinute('orders')).toEqual({
    requests: 0,
    unauthorized: 0,
    forbidden: 0,
    requestsPerSecond: 0,
    errorShare: undefined,
    p50Seconds: undefined,
    p95Seconds: undefined,
  })
})

test('each sample counts the requests of its ten seconds', async () => {
  const { clock, history, serve } = followRoute()
  await clock.advance(10_000)
  serve(3, 200, 7)
  serve(1, 502, 7)
  await clock.advance(10_000)
  await clock.advance(10_000)
  serve(2, 404, 700)
  await clock.advance(10_000)
  expect(history.read().routes).toEqual([
    {
      route: 'orders',
      requests: [0, 4, 0, 2],
      errors: [0, 1, 0, 0],
      rejections: [0, 0, 0, 0],
      p50Seconds: [null, 0.0075, null, 0.75],
      p95Seconds: [null, 0.00975, null, 0.975],
    },
  ])
})

test('the figures of the last minute include the latest requests', async () => {
  const { clock, history, serve } = followRoute()
  await clock.advance(60_000)
  serve(120, 200, 7)
  await clock.advance(5_000)
  serve(40, 500, 7)
  // The figures cover 55 s: from the sample at 10 s until now.
  expect(history.lastMinute('orders')).toMatchObject({
    requestsPerSecond: 2.90909,
    errorShare: 0.25,
  })
  await clock.advance(70_000)
  expect(history.lastMinute('orders').requestsPerSecond).toBe(0)
})

test('responses of the API with 401 and 403 are counted for each interval', async () => {
  const { clock, history, metrics, serve } = followRoute()
  await clock.advance(10_000)
  serve(4, 401, 1)
  for (const status of [401, 403, 403] as const) metrics.notAuthorized(status)
  await clock.advance(10_000)
  expect(history.read().routes).toMatchObject([{ requests: [0, 4], rejections: [0, 3] }])
  expect(history.lastMinute('orders')).toMatchObject({ requests: 4, unauthorized: 1, forbidden: 2 })
  await clock.advance(70_000)
  expect(history.lastMinute('orders')).toMatchObject({ requests: 0, unauthorized: 0, forbidden: 0 })
})

test('only the last ten minutes are kept', async () => {
  const { clock, history, serve } = followRoute()
  for (let i = 0; i < 150; i += 1) {
    serve(i, 200, 1)
    await clock.advance(10_000)
  }
  const [orders] = history.read().routes
  expect(orders?.requests).toEqual(Array.from({ length: 60 }, (_, i) => 90 + i))
})

test('reading after a sample returns only later samples', async () => {
  const { clock, history, serve } = followRoute()
  for (const count of [1, 2, 3, 4]) {
    serve(count, 200, 1)
    await clock.advance(10_000)
  }
  expect(history.read(2).routes[0]?.requests).toEqual([3, 4])
  expect(history.read(4)).toMatchObject({ latest: 4, routes: [] })
  // The number is from another process.
  expect(history.read(99).routes[0]?.requests).toEqual([1, 2, 3, 4])
})

test('the history of a removed route is discarded, and starts again if the route returns', async () => {
  const { clock, history, metrics, serve } = followRoute()
  serve(5, 200, 1)
  await clock.advance(10_000)
  history.follow(new Map())
  expect(history.read().routes).toEqual([])
  expect(history.lastMinute('orders').requestsPerSecond).toBe(0)
  history.follow(new Map([['orders', metrics]]))
  serve(2, 200, 1)
  await clock.advance(10_000)
  expect(history.read(1).routes[0]?.requests).toEqual([2])
  expect(history.read().routes[0]?.requests).toEqual([0, 2])
})

test('a route keeps its history when another route is added', async () => {
  const { clock, history, metrics, serve } = followRoute()
  serve(5, 200, 1)
  await clock.advance(10_000)
  history.follow(
    new Map([
      ['orders', metrics],
      ['more', createRouteMetrics()],
    ]),
  )
  expect(history.read().routes).toMatchObject([{ route: 'orders', requests: [5] }])
})

test('sampling ends after stop', async () => {
  const { clock, history } = followRoute()
  await clock.advance(10_000)
  history.stop()
  await clock.advance(60_000)
  expect(history.read().latest).toBe(1)
})
