import { expect, test } from 'vitest'
import { readinessOf, type ReadinessToken } from '../../../src/admin/readiness.ts'
import { SidecarError } from '../../../src/errors.ts'
import type { Rejection } from '../../../src/tokens/rejection-record.ts'

const QUIET = { requests: 0, unauthorized: 0, forbidden: 0 }

function rejected(details: Partial<Rejection>): Rejection {
  return {
    status: 401,
    challenge: undefined,
    token: undefined,
    count: 1,
    isFreshTokenRejected: false,
    isEveryRequestRejected: true,
    firstAtMs: 0,
    lastAtMs: 0,
    ...details,
  }
}

function failing(details: Partial<ReadinessToken> & { readonly usable: boolean }): ReadinessToken {
  return {
    token: 'corp',
    required: true,
    ...details,
    state: {
      usable: details.usable,
      scopes: undefined,
      claims: undefined,
      obtainedAtMs: 1,
      expiresAtMs: undefined,
      lifetimeMs: undefined,
      requesting: false,
      waiting: 0,
      failure: {
        error: new SidecarError('token_rejected', 'Cannot get a token'),
        nextAttemptAtMs: 1,
      },
    },
  }
}

test('a route whose API rejects everything is a warning, and leaves the sidecar ready', () => {
  const rejection = rejected({ count: 3, isFreshTokenRejected: true })
  const { ready, reasons, warnings } = readinessOf(
    [],
    [{ route: 'orders', rejection, lastMinute: QUIET }],
    [],
    false,
  )
  expect({ ready, reasons }).toEqual({ ready: true, reasons: [] })
  expect(warnings).toEqual([
    'route "orders": the API rejects every request, a freshly issued one included: 3 rejected, the last with 401',
  ])
})

test.for([
  { lastMinute: { requests: 100, unauthorized: 4, forbidden: 1 }, warns: false },
  { lastMinute: { requests: 100, unauthorized: 5, forbidden: 1 }, warns: true },
  { lastMinute: { requests: 100, unauthorized: 0, forbidden: 6 }, warns: true },
  { lastMinute: { requests: 1, unauthorized: 1, forbidden: 0 }, warns: true },
  { lastMinute: QUIET, warns: false },
])('when some requests succeed, $lastMinute is a warning: $warns', ({ lastMinute, warns }) => {
  const rejection = rejected({ isEveryRequestRejected: false })
  const { warnings } = readinessOf([], [{ route: 'orders', rejection, lastMinute }], [], false)
  expect(warnings).toHaveLength(warns ? 1 : 0)
})

test.for([
  { what: 'in hand that cannot be renewed', usable: true, required: true, warns: true },
  { what: 'that readiness does not wait for', usable: false, required: false, warns: true },
  { what: 'that makes the sidecar unready', usable: false, required: true, warns: false },
])('a failing token $what is a warning: $warns', ({ usable, required, warns }) => {
  const { ready, warnings } = readinessOf([failing({ usable, required })], [], [], false)
  expect(ready).toBe(warns)
  expect(warnings).toEqual(warns ? ['token "corp": Cannot get a token'] : [])
})
