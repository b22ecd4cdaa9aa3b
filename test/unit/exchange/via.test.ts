import { expect, test } from 'vitest'
import { goesInCircles, viaLine } from '../../../src/exchange/via.ts'

test('Via tells the version that the message came with', () => {
  expect(viaLine('1.0', 'token-sidecar')).toBe('1.0 token-sidecar')
  expect(viaLine('1.1', 'token-sidecar')).toBe('1.1 token-sidecar')
})

test.for([
  { passes: 1, circle: false },
  { passes: 7, circle: false },
  { passes: 8, circle: true },
  { passes: 80, circle: true },
])('after $passes times the same way it is a circle: $circle', ({ passes, circle }) => {
  const via = Array.from({ length: passes }, () => '1.1 token-sidecar').join(' ,\t')
  expect(goesInCircles(`1.0 fred, ${via}, HTTP/1.1 proxy:80 (Apache/1.1)`, 'token-sidecar')).toBe(
    circle,
  )
})

test('others may have passed it on as often as they like', () => {
  expect(goesInCircles('1.1 token-sidecar-2, '.repeat(50), 'token-sidecar')).toBe(false)
  expect(goesInCircles('1.1 fred (token-sidecar), '.repeat(50), 'token-sidecar')).toBe(false)
})
