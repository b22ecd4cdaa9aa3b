import { expect, test } from 'vitest'
import { createSecret } from '../../../src/lib/secret.ts'
import { type AccessToken, createAccessToken } from '../../../src/tokens/access-token.ts'
import { createRejectionRecord } from '../../../src/tokens/rejection-record.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

function startRecord() {
  const clock = createFakeClock()
  const record = createRejectionRecord(clock)
  const issue = (): AccessToken =>
    createAccessToken({
      value: createSecret('token'),
      dpop: undefined,
      scope: undefined,
      lifetimeMs: 300_000,
      requestedAt: { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() },
    })
  const reject = (token: AccessToken | undefined, isReplacement = false): void =>
    record.rejected({ status: 401, challenge: undefined, token, isReplacement })
  return { clock, record, issue, reject }
}

test('a record without rejections is undefined', () => {
  const { record } = startRecord()
  record.succeeded()
  expect(record.read()).toBeUndefined()
})

test('a series of rejections continues after a day without requests', async () => {
  const { clock, record, issue, reject } = startRecord()
  const token = issue()
  const firstAtMs = clock.wallMs()
  reject(token)
  await clock.advance(86_400_000)
  reject(token)
  expect(record.read()).toMatchObject({
    count: 2,
    isEveryRequestRejected: true,
    isFreshTokenRejected: false,
    firstAtMs,
    lastAtMs: firstAtMs + 86_400_000,
  })
})

test('a successful request ends a series, and the next rejection begins another one', async () => {
  const { clock, record, issue, reject } = startRecord()
  const token = issue()
  reject(token, true)
  reject(token)
  record.succeeded()
  expect(record.read()).toMatchObject({ count: 2, isEveryRequestRejected: false })
  await clock.advance(1000)
  reject(token)
  expect(record.read()).toMatchObject({
    count: 1,
    isEveryRequestRejected: true,
    isFreshTokenRejected: false,
  })
})

test('a rejected replacement counts as a fresh token for the rest of the series', () => {
  const { record, issue, reject } = startRecord()
  const token = issue()
  reject(token, true)
  reject(token)
  expect(record.read()?.isFreshTokenRejected).toBe(true)
})

test('a rejected token that was issued after the first rejection counts as a fresh one', async () => {
  const { clock, record, issue, reject } = startRecord()
  reject(issue())
  await clock.advance(1000)
  reject(issue())
  expect(record.read()?.isFreshTokenRejected).toBe(true)
})

test('a rejected request without a token does not count as a rejected fresh token', () => {
  const { record, reject } = startRecord()
  reject(undefined)
  reject(undefined)
  expect(record.read()).toMatchObject({ token: undefined, isFreshTokenRejected: false })
})
