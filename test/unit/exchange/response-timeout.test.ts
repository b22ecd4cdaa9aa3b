import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import type { ExchangeRequest } from '../../../src/exchange/exchange-request.ts'
import { createIdleWatch } from '../../../src/exchange/idle-watch.ts'
import { withTimeLimits } from '../../../src/exchange/time-limits.ts'
import type { UpstreamResponse } from '../../../src/http/round-trip.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { exchangeRequest, requestBody, upstreamResponse } from '../../helpers/exchange-request.ts'

const SIGNAL = new AbortController().signal

/** A request that waits for a response until the test gives one. */
function startRequest(given: Partial<ExchangeRequest> = {}, responseMs = 1_000) {
  const clock = createFakeClock()
  const responses = Promise.withResolvers<UpstreamResponse>()
  const failures: string[] = []
  const waits: number[] = []
  let sent = exchangeRequest()
  const send = withTimeLimits(
    {
      responseMs,
      idleMs: 2_000,
      fail: (_kind, reason) => new SidecarError('upstream_timeout', reason),
      idle: createIdleWatch(clock),
      clock,
    },
    (request) => {
      sent = request
      return responses.promise
    },
  )
  const response = send(
    exchangeRequest({
      abort: ({ code, message }) => failures.push(`${code}: ${message}`),
      onResponse: (waitedMs) => waits.push(waitedMs),
      ...given,
    }),
    SIGNAL,
  )
  return { clock, failures, waits, response, responses, sent: () => sent }
}

test('a response that does not begin in time ends the exchange', async () => {
  const { clock, failures, sent } = startRequest()
  sent().onSend()
  await clock.advance(1_000)
  expect(failures).toEqual([])
  await clock.advance(500)
  expect(failures[0]).toBe('upstream_timeout: no response within the time limit')
})

test('a request that gets no connection in time fails with that reason', async () => {
  const { clock, failures } = startRequest()
  await clock.advance(1_000)
  expect(failures[0]).toContain('no connection became available within the time limit')
})

test('the time limit begins when the request body has arrived', async () => {
  let isComplete = false
  let receivedBytes = 0
  const body = requestBody({
    isComplete: () => isComplete,
    receivedBytes: () => (receivedBytes += 1),
  })
  const { clock, failures, sent } = startRequest({ body })
  sent().onSend()
  await clock.advance(60_000)
  expect(failures).toEqual([])
  isComplete = true
  await clock.advance(1_250)
  expect(failures).not.toEqual([])
})

test('interim responses do not extend the time limit', async () => {
  const { clock, failures, sent } = startRequest()
  sent().onSend()
  for (let elapsedMs = 0; elapsedMs < 1_500; elapsedMs += 250) {
    sent().onInterim(102, [], () => {})
    await clock.advance(250)
  }
  expect(failures[0]).toContain('no response within the time limit')
})

test('a client that does not read interim responses fails the request with request_timeout', async () => {
  const { clock, failures, sent } = startRequest({ onInterim: () => 'blocked' }, 0)
  sent().onInterim(103, [], () => {})
  await clock.advance(2_500)
  expect(failures[0]).toMatch(/^request_timeout: .*does not read the response$/)
})

test('with a limit of 0 a response may take any time, and the wait is measured', async () => {
  const { clock, failures, waits, response, responses } = startRequest({}, 0)
  await clock.advance(3_600_000)
  expect(failures).toEqual([])
  responses.resolve(upstreamResponse())
  await response
  expect(waits).toEqual([3_600_000])
})

test('the time limit ends when the response begins', async () => {
  const { clock, failures, response, responses } = startRequest()
  responses.resolve(upstreamResponse())
  await response
  await clock.advance(60_000)
  expect(failures).toEqual([])
})
