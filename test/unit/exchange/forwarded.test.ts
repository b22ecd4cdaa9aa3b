import { expect, test } from 'vitest'
import { addForwarded, type ForwardedStyle } from '../../../src/exchange/forwarded.ts'

function added(
  style: ForwardedStyle,
  address: string | undefined,
  existing: readonly string[] = [],
  host = 'localhost:8080',
): string[] {
  const headers = [...existing]
  addForwarded(headers, style, { socket: { remoteAddress: address }, host })
  return headers
}

// RFC 7239 section 4 and 6.
test.for([
  { address: '127.0.0.1', element: 'for=127.0.0.1;host="localhost:8080";proto=http' },
  { address: '::1', element: 'for="[::1]";host="localhost:8080";proto=http' },
  { address: '::ffff:10.0.0.7', element: 'for=10.0.0.7;host="localhost:8080";proto=http' },
  { address: undefined, element: 'for=unknown;host="localhost:8080";proto=http' },
])('Forwarded for $address is $element', ({ address, element }) => {
  expect(added('forwarded', address)).toEqual(['Forwarded', element])
})

test('x-forwarded adds three fields', () => {
  expect(added('x-forwarded', '127.0.0.1')).toEqual([
    'X-Forwarded-For',
    '127.0.0.1',
    'X-Forwarded-Host',
    'localhost:8080',
    'X-Forwarded-Proto',
    'http',
  ])
})

test('a client on a Unix socket has no address', () => {
  expect(added('x-forwarded', undefined, [], '')).toEqual(['X-Forwarded-Proto', 'http'])
})

test('"both" adds Forwarded and the X-Forwarded fields', () => {
  const names = added('both', '127.0.0.1').filter((_part, index) => index % 2 === 0)
  expect(names).toEqual(['Forwarded', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto'])
})

test('elements of earlier proxies come first, in one line, and their host and scheme are kept', () => {
  expect(
    added('both', '127.0.0.1', [
      'x-forwarded-for',
      '10.0.0.1',
      'X-Other',
      '1',
      'X-Forwarded-For',
      '10.0.0.2',
      'forwarded',
      'for=10.0.0.1',
      'X-Forwarded-Host',
      'shop.example',
      'X-FORWARDED-PROTO',
      'https',
    ]),
  ).toEqual([
    'X-Other',
    '1',
    'X-Forwarded-Host',
    'shop.example',
    'X-FORWARDED-PROTO',
    'https',
    'Forwarded',
    'for=10.0.0.1, for=127.0.0.1;host="localhost:8080";proto=http',
    'X-Forwarded-For',
    '10.0.0.1, 10.0.0.2, 127.0.0.1',
  ])
})
