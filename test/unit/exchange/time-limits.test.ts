import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import type { ExchangeRequest } from '../../../src/exchange/exchange-request.ts'
import { createIdleWatch } from '../../../src/exchange/idle-watch.ts'
import { withTimeLimits } from '../../../src/exchange/time-limits.ts'
import type { ResponseWriter } from '../../../src/http/response-writer.ts'
import type { UpstreamResponse } from '../../../src/http/round-trip.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { exchangeRequest, requestBody, upstreamResponse } from '../../helpers/exchange-request.ts'
import { collectingWriter } from '../../helpers/upstream-request.ts'

const SIGNAL = new AbortController().signal
const PENDING = Promise.withResolvers<void>().promise
const IDLE = { idleMs: 1_000 }
const RESPONSE = { responseMs: 1_000, idleMs: 2_000 }

/** A request through the wrapper with these limits, waiting for `responses`; both limits are off by default. */
function startRequest(given: Partial<ExchangeRequest>, { responseMs = 0, idleMs = 0 } = {}) {
  const clock = createFakeClock()
  const responses = Promise.withResolvers<UpstreamResponse>()
  const failures: string[] = []
  const waits: number[] = []
  let sent = exchangeRequest()
  const send = withTimeLimits(
    {
      responseMs,
      idleMs,
      fail: (_kind, reason) => new SidecarError('upstream_timeout', reason),
      idle: createIdleWatch(clock),
      clock,
    },
    (request) => {
      sent = request
      return responses.promise
    },
  )
  const request = exchangeRequest({
    abort: ({ code, message }) => failures.push(`${code}: ${message}`),
    onResponse: (waitedMs) => waits.push(waitedMs),
    ...given,
  })
  return { clock, failures, waits, response: send(request, SIGNAL), responses, sent: () => sent }
}

/** A response that is being piped to a writer of the test. */
async function startPiping(given: Partial<ResponseWriter> = {}) {
  let piped: ResponseWriter | undefined
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>()
  const response = upstreamResponse({
    pipeTo(writer) {
      piped = writer
      return isOver
    },
  })
  const { clock, failures, response: received, responses } = startRequest({}, IDLE)
  responses.resolve(response)
  const resets: string[] = []
  const { pipeTo } = await received
  const over = pipeTo(
    collectingWriter(() => {}, { reset: ({ code }) => void resets.push(code), ...given }),
  )
  if (piped === undefined) throw new Error('expected the response to be piped')
  return { clock, failures, resets, writer: piped, end, over }
}

test('the idle timeout does not apply while waiting for a response', async () => {
  const { clock, failures } = startRequest({}, IDLE)
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test.for([
  { who: 'a client that stops sending', isPaused: false, failure: /^request_timeout: .*arrive$/ },
  { who: 'an upstream that stops reading', isPaused: true, failure: /^upstream_timeout: .*body$/ },
])('an upload that stalls because of $who fails the request', async ({ isPaused, failure }) => {
  const body = requestBody({ isComplete: () => false, isPaused: () => isPaused })
  const { clock, failures, sent } = startRequest({ body }, IDLE)
  sent().onSend()
  await clock.advance(1_500)
  expect(failures[0]).toMatch(failure)
})

test('the idle timeout does not apply to an upload that makes progress', async () => {
  let receivedBytes = 0
  const body = requestBody({ isComplete: () => false, receivedBytes: () => (receivedBytes += 1) })
  const { clock, failures } = startRequest({ body }, IDLE)
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test('a response body that stalls fails the request with upstream_timeout', async () => {
  const { clock, failures, resets, writer } = await startPiping()
  writer.write(Buffer.from('x'), () => {})
  await clock.advance(750)
  writer.write(Buffer.from('x'), () => {})
  await clock.advance(1_000)
  expect(failures).toEqual([])
  await clock.advance(500)
  expect(failures[0]).toBe('upstream_timeout: the response body stalled')
  expect(resets[0]).toBe('upstream_timeout')
})

test('a client that does not read the response fails the request with request_timeout', async () => {
  const { clock, failures, writer } = await startPiping({ write: () => false })
  writer.write(Buffer.from('x'), () => {})
  await clock.advance(1_500)
  expect(failures[0]).toMatch(/^request_timeout: .*does not read the response$/)
})

test('a client that does not read the end of a complete response is reset', async () => {
  const { clock, resets, writer } = await startPiping({ end: () => PENDING })
  void writer.end([])
  await clock.advance(1_500)
  expect(resets[0]).toBe('request_timeout')
})

test('a complete response has no idle timeout', async () => {
  const { clock, failures, end, over } = await startPiping()
  end()
  await over
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test('a discarded response has no idle timeout', async () => {
  const body = requestBody({ isComplete: () => false })
  const { clock, failures, response, responses } = startRequest({ body }, IDLE)
  responses.resolve(upstreamResponse())
  const { discard } = await response
  discard()
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test('an idle timeout of 0 disables the idle timeout', async () => {
  const body = requestBody({ isComplete: () => false })
  const { clock, failures } = startRequest({ body }, { idleMs: 0 })
  await clock.advance(3_600_000)
  expect(failures).toEqual([])
})

test('a response that is complete when it is piped has no idle timeout', async () => {
  const complete = upstreamResponse({ pipeTo: () => undefined })
  const { clock, failures, response, responses } = startRequest({}, IDLE)
  responses.resolve(complete)
  const { pipeTo } = await response
  expect(pipeTo(collectingWriter(() => {}))).toBeUndefined()
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test('a response that does not begin in time ends the exchange', async () => {
  const { clock, failures, sent } = startRequest({}, RESPONSE)
  sent().onSend()
  await clock.advance(1_000)
  expect(failures).toEqual([])
  await clock.advance(500)
  expect(failures[0]).toBe('upstream_timeout: no response within the time limit')
})

test('a request that gets no connection in time fails with that reason', async () => {
  const { clock, failures } = startRequest({}, RESPONSE)
  await clock.advance(1_000)
  expect(failures[0]).toContain('no connection became available within the time limit')
})

test('the time limit for a response begins when the request body has arrived', async () => {
  let isComplete = false
  let receivedBytes = 0
  const body = requestBody({
    isComplete: () => isComplete,
    receivedBytes: () => (receivedBytes += 1),
  })
  const { clock, failures, sent } = startRequest({ body }, RESPONSE)
  sent().onSend()
  await clock.advance(60_000)
  expect(failures).toEqual([])
  isComplete = true
  await clock.advance(1_250)
  expect(failures).not.toEqual([])
})

test('interim responses do not extend the time limit for a response', async () => {
  const { clock, failures, sent } = startRequest({}, RESPONSE)
  sent().onSend()
  for (let elapsedMs = 0; elapsedMs < 1_500; elapsedMs += 250) {
    sent().onInterim(102, [], () => {})
    await clock.advance(250)
  }
  expect(failures[0]).toContain('no response within the time limit')
})

test('a client that does not read interim responses fails the request with request_timeout', async () => {
  const { clock, failures, sent } = startRequest({ onInterim: () => 'blocked' }, IDLE)
  sent().onInterim(103, [], () => {})
  await clock.advance(1_500)
  expect(failures[0]).toMatch(/^request_timeout: .*does not read the response$/)
})

test('without a time limit for responses, the wait for one is still measured', async () => {
  const { clock, failures, waits, response, responses } = startRequest(
    {},
    { responseMs: 0, idleMs: 2_000 },
  )
  await clock.advance(3_600_000)
  expect(failures).toEqual([])
  responses.resolve(upstreamResponse())
  await response
  expect(waits).toEqual([3_600_000])
})

test('the time limit for a response ends when it begins', async () => {
  const { clock, failures, response, responses } = startRequest({}, RESPONSE)
  responses.resolve(upstreamResponse())
  await response
  await clock.advance(60_000)
  expect(failures).toEqual([])
})
