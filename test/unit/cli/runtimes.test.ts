import { expect, test } from 'vitest'
import { RUNTIMES } from '../../../src/cli/runtimes.ts'

test('each runtime is listed once', () => {
  const names = RUNTIMES.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

test('every runtime names at least one variable, or the alternative', () => {
  const empty = RUNTIMES.flatMap(({ proxy, trust }) => [proxy, trust]).filter(
    (setting) =>
      (setting.kind === 'variables' && setting.names.length === 0) ||
      (setting.kind === 'none' && setting.instead === ''),
  )
  expect(empty).toEqual([])
})
