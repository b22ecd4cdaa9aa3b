import { expect, test } from 'vitest'
import { isLoop, viaMember } from '../../../src/exchange/via.ts'

test('Via names the version in which the message was received', () => {
  expect(viaMember('1.0', 'token-sidecar')).toBe('1.0 token-sidecar')
  expect(viaMember('1.1', 'token-sidecar')).toBe('1.1 token-sidecar')
})

test.for([
  { passes: 1, circle: false },
  { passes: 7, circle: false },
  { passes: 8, circle: true },
  { passes: 80, circle: true },
])('a Via field that names us $passes times shows a loop: $circle', ({ passes, circle }) => {
  const via = Array.from({ length: passes }, () => '1.1 token-sidecar').join(' ,\t')
  expect(isLoop(`1.0 fred, ${via}, HTTP/1.1 proxy:80 (Apache/1.1)`, 'token-sidecar')).toBe(circle)
})

test('names of other proxies in Via, and comments, do not show a loop', () => {
  expect(isLoop('1.1 token-sidecar-2, '.repeat(50), 'token-sidecar')).toBe(false)
  expect(isLoop('1.1 fred (token-sidecar), '.repeat(50), 'token-sidecar')).toBe(false)
})
