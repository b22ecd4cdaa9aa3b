import { expect, test } from 'vitest'
import { challengeError, isSuccess } from '../../../src/exchange/authorization-outcome.ts'

test.for([
  { status: 101, method: 'GET', success: true },
  { status: 200, method: 'GET', success: true },
  { status: 204, method: 'DELETE', success: true },
  { status: 304, method: 'GET', success: true },
  { status: 204, method: 'OPTIONS', success: false },
  { status: 302, method: 'GET', success: false },
  { status: 404, method: 'GET', success: false },
  { status: 429, method: 'GET', success: false },
  { status: 502, method: 'GET', success: false },
])('$status to $method shows that the request was accepted: $success', (given) => {
  expect(isSuccess(given.status, given.method)).toBe(given.success)
})

test.for([
  { challenge: 'Bearer error="invalid_token"', code: 'invalid_token' },
  { challenge: 'Bearer realm="x", error=insufficient_scope', code: 'insufficient_scope' },
  { challenge: 'Bearer ERROR = "Invalid_Token"', code: 'invalid_token' },
  { challenge: 'DPoP error="use_dpop_nonce"', code: 'use_dpop_nonce' },
  { challenge: 'Bearer error_description="no error"', code: undefined },
  { challenge: 'Bearer error="our_secret_is_hunter"', code: undefined },
  { challenge: 'Bearer', code: undefined },
])('the error code of the challenge $challenge is $code', ({ challenge, code }) => {
  expect(challengeError(['WWW-Authenticate', challenge])).toBe(code)
})

test('a response without a challenge has no error code', () => {
  expect(challengeError([])).toBeUndefined()
})
