import { expect, test } from 'vitest'
import {
  createReferenceMap,
  type MappedRoute,
  mapRefresh,
} from '../../../src/routing/reference-map.ts'

const OWN = 'http://localhost:8080'

function route(prefix: string, basePath: string, more: Partial<MappedRoute> = {}): MappedRoute {
  return {
    origin: 'https://orders.example.com',
    match: { host: undefined, prefix, methods: undefined },
    basePath,
    keepPath: false,
    ...more,
  }
}

const ORDERS = route('/orders', '/v2')

test.for([
  // RFC 9110 section 10.2.2: with the host, without the scheme, without both.
  { reference: 'https://orders.example.com/v2/7', mapped: `${OWN}/orders/7` },
  { reference: 'https://orders.example.com:443/v2/7', mapped: `${OWN}/orders/7` },
  { reference: 'https://ORDERS.example.com/v2', mapped: `${OWN}/orders` },
  { reference: 'https://orders.example.com/v2/', mapped: `${OWN}/orders/` },
  { reference: 'https://orders.example.com/v2?a=%2F#top', mapped: `${OWN}/orders?a=%2F#top` },
  { reference: '//orders.example.com/v2/7', mapped: `${OWN}/orders/7` },
  { reference: '/v2/7', mapped: '/orders/7' },
  { reference: '/v2/a%2Fb//c', mapped: '/orders/a%2Fb//c' },
  // An upstream behind a TLS-terminating proxy may write http URLs.
  { reference: 'http://orders.example.com/v2/7', mapped: `${OWN}/orders/7` },
])('the reference $reference is mapped to $mapped', ({ reference, mapped }) => {
  expect(createReferenceMap(ORDERS)(reference, OWN)).toBe(mapped)
})

test.for([
  'https://login.example.com/v2/7',
  'https://orders.example.com:8443/v2/7',
  'https://orders.example.com.evil.example/v2/7',
  'https://user@orders.example.com/v2/7',
  'https://orders.example.com/v3/7',
  'https://orders.example.com/v2x',
  'https://orders.example.com',
  'ftp://orders.example.com/v2/7',
  'mailto:orders@orders.example.com',
  '7',
  '../7',
  '?page=2',
  '#top',
  '',
  'https://[bad/v2',
])('the reference "%s" is not changed', (reference) => {
  expect(createReferenceMap(ORDERS)(reference, OWN)).toBe(reference)
})

test('a route for any path maps every path of its upstream', () => {
  const map = createReferenceMap(route('', ''))
  expect(map('https://orders.example.com/a/b', OWN)).toBe(`${OWN}/a/b`)
  expect(map('https://orders.example.com', OWN)).toBe(`${OWN}/`)
  expect(map('/a/b', OWN)).toBe('/a/b')
})

test('a route with keepPath maps only paths below its prefix', () => {
  const map = createReferenceMap(route('/orders', '/base', { keepPath: true }))
  expect(map('https://orders.example.com/base/orders/7', OWN)).toBe(`${OWN}/orders/7`)
  expect(map('/base/orders', OWN)).toBe('/orders')
  expect(map('/base/invoices/7', OWN)).toBe('https://orders.example.com/base/invoices/7')
})

test('a path that only another route reaches is mapped to that route', () => {
  const map = createReferenceMap(ORDERS, [
    route('/invoices', '/v2/invoices'),
    route('/customers', '/customers'),
    route('/other', '/elsewhere', { origin: 'https://other.example.com' }),
    route('', '/by-host', { match: { host: 'api.example.com', prefix: '', methods: undefined } }),
  ])
  expect(map('https://orders.example.com/customers/1', OWN)).toBe(`${OWN}/customers/1`)
  // The route of the request takes precedence.
  expect(map('/v2/invoices/1', OWN)).toBe('/orders/invoices/1')
  expect(map('https://orders.example.com/elsewhere', OWN)).toBe(
    'https://orders.example.com/elsewhere',
  )
  expect(map('/by-host/1', OWN)).toBe('https://orders.example.com/by-host/1')
})

test('a path that no route reaches becomes a reference with the host of the upstream', () => {
  expect(createReferenceMap(ORDERS)('/login?next=%2F', OWN)).toBe(
    'https://orders.example.com/login?next=%2F',
  )
})

test('a path that begins with "//" without its prefix does not become an authority', () => {
  const map = createReferenceMap(route('', '/v2'))
  expect(map('/v2//evil.example/x', OWN)).toBe(`${OWN}//evil.example/x`)
  expect(map('/v2//evil.example/x', '')).toBe('/.//evil.example/x')
  expect(map('https://orders.example.com/v2//evil.example/x', '')).toBe('/.//evil.example/x')
})

test('without an origin of the sidecar, a reference is mapped to a path', () => {
  expect(createReferenceMap(ORDERS)('https://orders.example.com/v2/7', '')).toBe('/orders/7')
})

test.for([
  ['5; url=https://orders.example.com/v2/7', `5; url=${OWN}/orders/7`],
  ['0;URL="https://orders.example.com/v2/7"', `0;URL="${OWN}/orders/7"`],
  ["3, url='/v2/7'", "3, url='/orders/7'"],
  ['3; /v2/7', '3; /orders/7'],
  ['5', '5'],
  ['5; url=', '5; url='],
  ['5; url=https://login.example.com/', '5; url=https://login.example.com/'],
  ['nonsense', 'nonsense'],
  [`5;${' '.repeat(16_000)}"a"b`, `5;${' '.repeat(16_000)}"a"b`],
  ['5; url="/v2/7" ; more', '5; url="/orders/7" ; more'],
] as const)('Refresh: %.40s becomes %.40s', ([value, mapped]) => {
  expect(mapRefresh(value, createReferenceMap(ORDERS), OWN)).toBe(mapped)
})
