import { expect, test } from 'vitest'
import { rejectionAdvice } from '../../../src/tokens/oauth-error.ts'

const AUTHENTICATION_CODES = [
  'invalid_client',
  'unauthorized_client',
  'invalid_request',
  'invalid_grant',
  'access_denied',
  undefined,
] as const

const METHODS = [
  { method: 'client_secret_basic', named: ['"auth.clientSecret"', '"auth.encoding: raw"'] },
  { method: 'client_secret_post', named: ['"auth.clientSecret"'] },
  {
    method: 'client_secret_jwt',
    named: ['"auth.clientSecret"', '"auth.audience: tokenEndpoint"', '{ typ: JWT }'],
  },
  {
    method: 'private_key_jwt',
    named: ['"auth.key"', '"auth.audience: tokenEndpoint"', '{ typ: JWT }'],
  },
  { method: 'client_assertion_file', named: ['"auth.file"', 'key', '"aud"', '"typ"'] },
  { method: 'tls_client_auth', named: ['"tls.client"'] },
  { method: 'self_signed_tls_client_auth', named: ['"tls.client"'] },
] as const

const CASES = AUTHENTICATION_CODES.flatMap((code) => METHODS.map((each) => ({ code, ...each })))

test.for(CASES)('advice for $code with $method names $named', ({ code, method, named }) => {
  const advice = rejectionAdvice(code, method)
  for (const setting of named) expect(advice).toContain(setting)
})

test.for(['invalid_scope', 'invalid_target', 'unsupported_grant_type', 'invalid_dpop_proof'])(
  'advice for %s does not mention the key of the client',
  (code) => {
    expect(rejectionAdvice(code, 'private_key_jwt')).not.toContain('auth.')
  },
)

test.for(AUTHENTICATION_CODES)(
  'advice for %s and a client without authentication names no secret and no key',
  (code) => {
    expect(rejectionAdvice(code, 'none')).not.toMatch(/auth\.(?:clientSecret|key|file)/)
  },
)
