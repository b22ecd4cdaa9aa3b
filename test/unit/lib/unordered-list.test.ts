import { expect, test } from 'vitest'
import { addTo, type Listed, removeFrom } from '../../../src/lib/unordered-list.ts'

type Named = Listed & { readonly name: string }

function listOf(...names: string[]) {
  const list: Named[] = []
  const entries = names.map((name) => ({ name, at: 0 }))
  for (const entry of entries) addTo(list, entry)
  return { list, entries, names: () => list.map(({ name }) => name).toSorted() }
}

test('an entry is removed from the beginning, the middle and the end of a list', () => {
  const { entries, list, names } = listOf('a', 'b', 'c', 'd')
  const [a, b, , d] = entries
  for (const [entry, rest] of [
    [b, ['a', 'c', 'd']],
    [a, ['c', 'd']],
    [d, ['c']],
  ] as const) {
    if (entry !== undefined) removeFrom(list, entry)
    expect(names()).toEqual(rest)
  }
})

test('removing an entry twice, or from a list that it is not in, changes nothing', () => {
  const { entries, list, names } = listOf('a', 'b')
  const other = listOf('c')
  for (const entry of [...entries.slice(0, 1), ...entries.slice(0, 1), ...other.entries]) {
    removeFrom(list, entry)
  }
  expect(names()).toEqual(['b'])
})
