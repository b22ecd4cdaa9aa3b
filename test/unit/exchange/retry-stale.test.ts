import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { type Retry, SidecarError } from '../../../src/errors.ts'
import type { ExchangeRequest } from '../../../src/exchange/exchange-request.ts'
import { retryStale } from '../../../src/exchange/retry-stale.ts'
import { exchangeRequest, requestBody, upstreamResponse } from '../../helpers/exchange-request.ts'

const SIGNAL = new AbortController().signal

/** The attempts of a request whose first attempt fails. */
async function attemptsOf(
  given: Partial<ExchangeRequest>,
  retry: Retry | undefined,
): Promise<{ attempts: ExchangeRequest[]; retried: number; outcome: number | string }> {
  const attempts: ExchangeRequest[] = []
  let retried = 0
  const send = retryStale({ retried: () => (retried += 1) }, async (request) => {
    attempts.push(request)
    if (attempts.length > 1) return upstreamResponse()
    throw new SidecarError('upstream_reset', 'Cannot', retry === undefined ? {} : { retry })
  })
  const outcome = await send(exchangeRequest(given), SIGNAL).then(
    ({ status }) => status,
    (error: unknown) => (error instanceof SidecarError ? error.code : 'unknown'),
  )
  return { attempts, retried, outcome }
}

test('an idempotent request on a stale connection is sent again on a dedicated one', async () => {
  const { attempts, retried, outcome } = await attemptsOf({ method: 'GET' }, 'if idempotent')
  expect(outcome).toBe(200)
  expect(retried).toBe(1)
  expect(attempts.map(({ dedicated }) => dedicated)).toEqual([false, true])
})

test('a POST on a stale connection is not sent again', async () => {
  const { attempts, outcome } = await attemptsOf({ method: 'POST' }, 'if idempotent')
  expect(outcome).toBe('upstream_reset')
  expect(attempts).toHaveLength(1)
})

test('a POST that was certainly not sent is sent again with the same body', async () => {
  const body = requestBody()
  const { attempts } = await attemptsOf({ method: 'POST', body }, 'always')
  expect(attempts.map((attempt) => attempt.body)).toEqual([body, body])
})

test('a failure after the response began is not retried', async () => {
  const { attempts, outcome } = await attemptsOf({ method: 'GET' }, undefined)
  expect(outcome).toBe('upstream_reset')
  expect(attempts).toHaveLength(1)
})

test('a kept body is sent again complete', async () => {
  const { attempts } = await attemptsOf({ method: 'PUT', body: requestBody() }, 'if idempotent')
  expect(attempts[1]?.body).toEqual({ content: Buffer.from('whole'), trailers: [] })
})

test.for([
  { what: 'was not kept', body: requestBody({ isKept: () => false }) },
  { what: 'is still arriving', body: requestBody({ isComplete: () => false }) },
])('a body that $what is not sent again', async ({ body }) => {
  const { attempts } = await attemptsOf({ method: 'PUT', body }, 'if idempotent')
  expect(attempts).toHaveLength(1)
})

test.for([
  { method: 'GET', body: null, repeatable: true },
  { method: 'POST', body: null, repeatable: false },
  { method: 'PUT', body: requestBody(), repeatable: false },
])('a $method is repeatable if it is idempotent and has no body: $repeatable', async (given) => {
  const { attempts } = await attemptsOf({ method: given.method, body: given.body }, undefined)
  expect(attempts[0]?.repeatable).toBe(given.repeatable)
})

test('a POST that was not processed is sent again with the kept body if its body was read', async () => {
  const stream = Readable.from([Buffer.from('whole')])
  await stream.toArray()
  const body = requestBody({ stream })
  const { attempts } = await attemptsOf({ method: 'POST', body }, 'always')
  expect(attempts[1]?.body).toEqual({ content: Buffer.from('whole'), trailers: [] })
})
