import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { closest } from '../../../src/lib/closest.ts'

const KEYS = ['listen', 'admin', 'credentials', 'routes', 'limits', 'log', 'shutdown']

test.for([
  ['listen', 'listen'],
  ['listn', 'listen'],
  ['lsiten', 'listen'],
  ['LISTEN', 'listen'],
  ['credentails', 'credentials'],
  ['credntals', 'credentials'],
  ['route', 'routes'],
  ['logs', 'log'],
  ['limit', 'limits'],
  ['clientSecert', undefined],
  ['timeout', undefined],
  ['', undefined],
  ['x', undefined],
  ['xy', undefined],
] as const)('the closest top-level key to %j is %j', ([word, meant]) => {
  expect(closest(word, KEYS)).toBe(meant)
})

test('of two equally close candidates, the first is returned', () => {
  expect(closest('cat', ['bat', 'rat'])).toBe('bat')
  expect(closest('cat', ['bat', 'cart', 'cat'])).toBe('cat')
})

test('without candidates, nothing is returned', () => {
  expect(closest('listen', [])).toBeUndefined()
})

test('a candidate without a common letter is never returned', () => {
  const lower = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1 })
  const upper = fc.string({ unit: fc.constantFrom('x', 'y', 'z'), minLength: 1 })
  fc.assert(
    fc.property(lower, fc.array(upper), (word, candidates) => {
      expect(closest(word, candidates)).toBeUndefined()
    }),
    { seed: 26 },
  )
})

test('a key with one letter removed or replaced is found', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KEYS), fc.nat(), fc.constantFrom('', 'q'), (key, n, typed) => {
      const at = n % key.length
      const typo = key.slice(0, at) + typed + key.slice(at + 1)
      expect(closest(typo, KEYS)).toBe(key)
    }),
    { seed: 26 },
  )
})
