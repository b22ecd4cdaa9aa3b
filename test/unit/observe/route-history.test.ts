import { expect, test } from 'vitest'
import { createRouteHistory } from '../../../src/observe/route-history.ts'
import { createRouteMetrics } from '../../../src/observe/route-metrics.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

function followOne() {
  const clock = createFakeClock()
  const history = createRouteHistory(clock)
  const metrics = createRouteMetrics()
  history.follow(new Map([['orders', metrics]]))
  const serve = (count: number, status: number, durationMs: number): void => {
    for (let i = 0; i < count; i += 1) metrics.finished('GET', status, durationMs)
  }
  return { clock, history, metrics, serve }
}

test('a route that nobody used has no samples, and no errors', async () => {
  const { clock, history } = followOne()
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

test('each sample counts what came in its ten seconds', async () => {
  const { clock, history, serve } = followOne()
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

test('the figures of the last minute include what has just happened', async () => {
  const { clock, history, serve } = followOne()
  await clock.advance(60_000)
  serve(120, 200, 7)
  await clock.advance(5_000)
  serve(40, 500, 7)
  // From 50 to 60 seconds: from the sample at 10 seconds, to now.
  expect(history.lastMinute('orders')).toMatchObject({
    requestsPerSecond: 2.90909,
    errorShare: 0.25,
  })
  await clock.advance(70_000)
  expect(history.lastMinute('orders').requestsPerSecond).toBe(0)
})

test('responses of the API with 401 and 403 are counted by the interval', async () => {
  const { clock, history, metrics, serve } = followOne()
  await clock.advance(10_000)
  serve(4, 401, 1)
  for (const status of [401, 403, 403, 404]) metrics.upstreamAnswered(status, 1, '1.1')
  await clock.advance(10_000)
  expect(history.read().routes).toMatchObject([{ requests: [0, 4], rejections: [0, 3] }])
  expect(history.lastMinute('orders')).toMatchObject({ requests: 4, unauthorized: 1, forbidden: 2 })
  await clock.advance(70_000)
  expect(history.lastMinute('orders')).toMatchObject({ requests: 0, unauthorized: 0, forbidden: 0 })
})

test('ten minutes are kept, however long it runs', async () => {
  const { clock, history, serve } = followOne()
  for (let i = 0; i < 150; i += 1) {
    serve(i, 200, 1)
    await clock.advance(10_000)
  }
  const [orders] = history.read().routes
  expect(orders?.requests).toEqual(Array.from({ length: 60 }, (_, i) => 90 + i))
})

test('whoever has the first samples is given the others', async () => {
  const { clock, history, serve } = followOne()
  for (const count of [1, 2, 3, 4]) {
    serve(count, 200, 1)
    await clock.advance(10_000)
  }
  expect(history.read(2).routes[0]?.requests).toEqual([3, 4])
  expect(history.read(4)).toMatchObject({ latest: 4, routes: [] })
  // It knows another process.
  expect(history.read(99).routes[0]?.requests).toEqual([1, 2, 3, 4])
})

test('a route that goes is forgotten, and one that comes back begins anew', async () => {
  const { clock, history, metrics, serve } = followOne()
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

test('a route that stays keeps its past when others come', async () => {
  const { clock, history, metrics, serve } = followOne()
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

test('it stops when it is told to', async () => {
  const { clock, history } = followOne()
  await clock.advance(10_000)
  history.stop()
  await clock.advance(60_000)
  expect(history.read().latest).toBe(1)
})
