import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { createRecentFailures } from '../../../src/observe/recent-failures.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

test('failures of a route with the same code are one entry, with the latest reason', async () => {
  const clock = createFakeClock()
  const failures = createRecentFailures(clock)
  const startMs = clock.wallMs()
  failures.note('orders', new SidecarError('upstream_reset', 'first'))
  failures.note('orders', new SidecarError('token_rejected', 'x', { oauthError: 'invalid_scope' }))
  await clock.advance(1_000)
  failures.note('orders', new SidecarError('upstream_reset', 'second'))
  expect(failures.list()).toEqual([
    {
      route: 'orders',
      code: 'upstream_reset',
      oauthError: undefined,
      reason: 'second',
      count: 2,
      firstAtMs: startMs,
      lastAtMs: startMs + 1_000,
    },
    expect.objectContaining({ code: 'token_rejected', oauthError: 'invalid_scope', count: 1 }),
  ])
})

test('the latest 20 entries are kept, newest first', () => {
  const failures = createRecentFailures(createFakeClock())
  for (let i = 0; i < 50; i += 1) failures.note(`r${i}`, new SidecarError('upstream_tls', 'x'))
  const routes = failures.list().map(({ route }) => route)
  expect(routes).toHaveLength(20)
  expect(routes.slice(0, 2)).toEqual(['r49', 'r48'])
})

test('a client that disconnects is not recorded as a failure', () => {
  const failures = createRecentFailures(createFakeClock())
  failures.note(undefined, new SidecarError('client_closed', 'x'))
  expect(failures.list()).toEqual([])
})
