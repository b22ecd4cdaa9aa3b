import { expect, test } from 'vitest'
import { failureAdvice } from '../../../src/admin/failure-advice.ts'
import { FAILURE_CODES } from '../../../src/errors.ts'

test.for(FAILURE_CODES)('%s comes with a sentence on what to do', (code) => {
  expect(failureAdvice(code, undefined)).toMatch(/^[A-Z].*\.$/)
})

test('what the authorization server gives as its reason tells more than the code', () => {
  expect(failureAdvice('token_rejected', 'invalid_scope')).toContain('compare "scopes"')
})

test.for(FAILURE_CODES)('the advice for %s without a route mentions none that exists', (code) => {
  expect(failureAdvice(code, undefined, false)).not.toMatch(/of the route\b/)
})
