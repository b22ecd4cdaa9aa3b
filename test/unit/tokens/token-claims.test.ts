import { expect, test } from 'vitest'
import { createSecret } from '../../../src/lib/secret.ts'
import { readTokenClaims, scopesOf } from '../../../src/tokens/token-claims.ts'

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function jwt(claims: unknown): { value: ReturnType<typeof createSecret> } {
  return { value: createSecret(`${encoded({ alg: 'none' })}.${encoded(claims)}.signature`) }
}

test('issuer, audience, scopes and expiry of a JWT are read', () => {
  const claims = {
    iss: 'https://login.example.com',
    aud: ['orders', 'invoices'],
    scope: 'orders.read orders.write',
    exp: 1_793_534_400,
    sub: 'someone',
  }
  expect(readTokenClaims(jwt(claims))).toEqual({
    issuer: 'https://login.example.com',
    audience: ['orders', 'invoices'],
    scopes: ['orders.read', 'orders.write'],
    expiresAt: '2026-11-01T12:00:00.000Z',
  })
})

test.for([
  { claims: { scp: 'a b' }, scopes: ['a', 'b'] },
  { claims: { scp: ['a', 'b'] }, scopes: ['a', 'b'] },
  { claims: { roles: ['admin'] }, scopes: ['admin'] },
  { claims: { scope: ['a'], roles: 7 }, scopes: ['a'] },
  { claims: { scope: '' }, scopes: [] },
  { claims: { scope: { a: 1 } }, scopes: [] },
])('the scopes of $claims are $scopes', ({ claims, scopes }) => {
  expect(readTokenClaims(jwt(claims))?.scopes).toEqual(scopes)
})

test.for([
  'opaque',
  'two.parts',
  'a.b.c',
  'a.b.c.d.e',
  `a.${Buffer.from('[1]').toString('base64url')}.c`,
  `a.${Buffer.from('null').toString('base64url')}.c`,
  `a.${Buffer.from('"text"').toString('base64url')}.c`,
  '',
])('the token %j is opaque', (token) => {
  expect(readTokenClaims({ value: createSecret(token) })).toBeUndefined()
})

test.for([1e300, -1e300, Number.MAX_SAFE_INTEGER, '1793534400', null, true])(
  'an exp of %j, which is not a valid date, is ignored',
  (exp) => {
    expect(readTokenClaims(jwt({ exp }))?.expiresAt).toBeUndefined()
  },
)

test('control and bidirectional characters in claims are replaced', () => {
  const claims = { iss: 'a\u001B[31mb\u0085c\u202Ed\u200Be\u2028f', aud: ['x\r\ny\uD800'] }
  expect(readTokenClaims(jwt(claims))).toMatchObject({
    issuer: 'a\uFFFD[31mb\uFFFDc\uFFFDd\uFFFDe\uFFFDf',
    audience: ['x\uFFFD\uFFFDy\uFFFD'],
  })
})

test('long claims and long lists are truncated', () => {
  const claims = readTokenClaims(
    jwt({ iss: 'x'.repeat(5000), aud: Array.from({ length: 500 }, String) }),
  )
  expect(claims?.issuer).toBe(`${'x'.repeat(200)}…`)
  expect(claims?.audience).toHaveLength(20)
})

test('a list of scopes is split at spaces', () => {
  expect(scopesOf('a  b c')).toEqual(['a', 'b', 'c'])
  expect(scopesOf(undefined)).toEqual([])
})
