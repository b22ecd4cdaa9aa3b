import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { traced } from '../../../src/exchange/traced.ts'
import { fieldNames } from '../../../src/http/field-lines.ts'
import type { UpstreamResponse } from '../../../src/http/round-trip.ts'
import type { RequestSpan } from '../../../src/observe/tracer.ts'
import { exchangeRequest, upstreamResponse } from '../../helpers/exchange-request.ts'

const SIGNAL = new AbortController().signal

/** What a traced request sends, and how its attempt ends. */
async function trace(respond: () => Promise<UpstreamResponse>) {
  const ends: unknown[] = []
  let sent: readonly string[] = []
  const span: RequestSpan = {
    traceId: 'id',
    isContinued: false,
    tokenWait: () => ({ end() {}, tokenRequest: () => ({ end() {} }) }),
    attempt: () => ({ traceparent: '00-id-attempt-01', end: (outcome) => void ends.push(outcome) }),
    end() {},
  }
  const send = traced({ dropped: fieldNames([]) }, (request) => {
    sent = request.fields
    return respond()
  })
  const outcome = send(exchangeRequest({ span }), SIGNAL)
  await outcome.catch(() => {})
  return { ends, sent, outcome }
}

test('an attempt passes its trace context on, and ends with the status and the protocol version', async () => {
  const { ends, sent } = await trace(async () => upstreamResponse({ status: 503, version: '2.0' }))
  expect(sent).toEqual(['traceparent', '00-id-attempt-01'])
  expect(ends).toEqual([{ status: 503, version: '2.0' }])
})

test('an attempt that fails ends with the failure, which is passed on', async () => {
  const failure = new SidecarError('upstream_reset', 'Cannot')
  const { ends, outcome } = await trace(() => Promise.reject(failure))
  expect(ends).toEqual([{ failure }])
  await expect(outcome).rejects.toBe(failure)
})
