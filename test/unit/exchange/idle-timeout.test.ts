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

function startRequest(
  given: Partial<ExchangeRequest>,
  response: Promise<UpstreamResponse>,
  idleMs = 1_000,
) {
  const clock = createFakeClock()
  const failures: string[] = []
  let sent = exchangeRequest()
  const send = withTimeLimits(
    {
      responseMs: 0,
      idleMs,
      fail: (_kind, reason) => new SidecarError('upstream_timeout', reason),
      idle: createIdleWatch(clock),
      clock,
    },
    (request) => {
      sent = request
      return response
    },
  )
  const request = exchangeRequest({
    abort: ({ code, message }) => failures.push(`${code}: ${message}`),
    ...given,
  })
  return { clock, failures, response: send(request, SIGNAL), sent: () => sent }
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
  const { clock, failures, response: received } = startRequest({}, Promise.resolve(response))
  const resets: string[] = []
  const { pipeTo } = await received
  const over = pipeTo(
    collectingWriter(() => {}, { reset: ({ code }) => void resets.push(code), ...given }),
  )
  if (piped === undefined) throw new Error('nothing is piped')
  return { clock, failures, resets, writer: piped, end, over }
}

test('waiting for a response does not count as inactivity', async () => {
  const { clock, failures } = startRequest(
    {},
    PENDING.then(() => upstreamResponse()),
  )
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test.for([
  { who: 'a client that stops sending', isPaused: false, failure: /^request_timeout: .*arrive$/ },
  { who: 'an upstream that stops reading', isPaused: true, failure: /^upstream_timeout: .*body$/ },
])('an upload that stalls because of $who fails the request', async ({ isPaused, failure }) => {
  const body = requestBody({ isComplete: () => false, isPaused: () => isPaused })
  const { clock, failures, sent } = startRequest(
    { body },
    PENDING.then(() => upstreamResponse()),
  )
  sent().onSend()
  await clock.advance(1_500)
  expect(failures[0]).toMatch(failure)
})

test('an upload that makes progress does not expire', async () => {
  let receivedBytes = 0
  const body = requestBody({ isComplete: () => false, receivedBytes: () => (receivedBytes += 1) })
  const { clock, failures } = startRequest(
    { body },
    PENDING.then(() => upstreamResponse()),
  )
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

test('a complete response is not watched any longer', async () => {
  const { clock, failures, end, over } = await startPiping()
  end()
  await over
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test('a discarded response is not watched any longer', async () => {
  const body = requestBody({ isComplete: () => false })
  const { clock, failures, response } = startRequest({ body }, Promise.resolve(upstreamResponse()))
  const { discard } = await response
  discard()
  await clock.advance(60_000)
  expect(failures).toEqual([])
})

test('a limit of 0 watches nothing', async () => {
  const body = requestBody({ isComplete: () => false })
  const { clock, failures } = startRequest(
    { body },
    PENDING.then(() => upstreamResponse()),
    0,
  )
  await clock.advance(3_600_000)
  expect(failures).toEqual([])
})

test('a response that is complete when it is piped has no time limit', async () => {
  const complete = upstreamResponse({ pipeTo: () => undefined })
  const { clock, failures, response } = startRequest({}, Promise.resolve(complete))
  const { pipeTo } = await response
  expect(pipeTo(collectingWriter(() => {}))).toBeUndefined()
  await clock.advance(60_000)
  expect(failures).toEqual([])
})
