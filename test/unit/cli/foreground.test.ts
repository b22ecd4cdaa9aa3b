import { expect, test } from 'vitest'
import { isForegroundGroup } from '../../../src/cli/foreground.ts'

test.for([
  ['4711 (node) S 100 4711 100 34816 4711 4194560 0', true],
  ['4711 (node) S 100 4711 100 34816 100 4194560 0', false],
  ['4711 (a (b) c) S 100 4711 100 34816 4711 4194560 0', true],
  ['4711 (node) S 100 4711 100 0 -1 4194560 0', false],
  ['', false],
] as const)('the process with stat "%s" is in the foreground: %s', ([stat, expected]) => {
  expect(isForegroundGroup(stat)).toBe(expected)
})
