import { expect, test } from 'vitest'
import { RUNTIMES } from '../../../src/cli/runtimes.ts'

test('each runtime is listed once', () => {
  const names = RUNTIMES.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

test.for(RUNTIMES)('$name: names the alternative where no variable works', ({ proxy, trust }) => {
  for (const setting of [proxy, trust]) {
    if (setting.kind === 'variables') expect(setting.names).not.toEqual([])
    if (setting.kind === 'none') expect(setting.instead).not.toBe('')
  }
})
