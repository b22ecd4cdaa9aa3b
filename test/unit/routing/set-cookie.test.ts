import { expect, test } from 'vitest'
import { type CookiePolicy, mapCookie } from '../../../src/routing/set-cookie.ts'

const KEEP: CookiePolicy = { dropDomain: false, dropSecure: false, pathsOf: undefined }
const ROUTE = {
  match: { host: undefined, prefix: '/orders', methods: undefined },
  basePath: '/v2',
  keepPath: false,
}
const COOKIE = 's=a=b; Domain=orders.example.com; Path=/v2/cart; Secure; HttpOnly; SameSite=Lax'

test.for([
  { what: 'nothing', policy: KEEP, expected: COOKIE },
  {
    what: 'the domain',
    policy: { ...KEEP, dropDomain: true },
    expected: 's=a=b; Path=/v2/cart; Secure; HttpOnly; SameSite=Lax',
  },
  {
    what: 'Secure',
    policy: { ...KEEP, dropSecure: true },
    expected: 's=a=b; Domain=orders.example.com; Path=/v2/cart; HttpOnly; SameSite=Lax',
  },
  {
    what: 'the path',
    policy: { ...KEEP, pathsOf: ROUTE },
    expected: 's=a=b; Domain=orders.example.com; Path=/orders/cart; Secure; HttpOnly; SameSite=Lax',
  },
])('the policy changes $what of a cookie', ({ policy, expected }) => {
  expect(mapCookie(COOKIE, policy)).toBe(expected)
})

test.for([
  ['s=1; path=/v2', 's=1; path=/orders'],
  ['s=1;PATH = /v2/', 's=1;PATH =/orders/'],
  // A path above the base path of the upstream becomes the prefix of the route.
  ['s=1; Path=/', 's=1; Path=/orders'],
  ['s=1; Path=/elsewhere', 's=1; Path=/elsewhere'],
  ['s=1; Path=', 's=1; Path='],
  ['s=1; Path', 's=1; Path'],
  ['s=Path=/v2', 's=Path=/v2'],
  ['', ''],
] as const)('"%s" becomes "%s" where paths are mapped', ([cookie, expected]) => {
  expect(mapCookie(cookie, { ...KEEP, pathsOf: ROUTE })).toBe(expected)
})

test('a cookie value that looks like an attribute is not changed', () => {
  const all = { dropDomain: true, dropSecure: true, pathsOf: ROUTE }
  expect(mapCookie('Domain=x; Secure; domain=a.example', all)).toBe('Domain=x')
  expect(mapCookie('Secure', all)).toBe('Secure')
})
