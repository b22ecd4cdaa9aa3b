import { closest } from '../src/lib/closest.ts'
import { BenchError } from './system/bench-error.ts'

/** The named elements in the order of the list; all elements if no name is given. */
export function selectNamed<T extends { readonly name: string }>(
  kind: string,
  all: readonly T[],
  wanted: readonly string[],
): readonly T[] {
  const names = all.map(({ name }) => name)
  for (const name of wanted) {
    if (names.includes(name)) continue
    const suggestion = closest(name, names)
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`
    throw new BenchError(
      `Cannot select ${kind} "${name}": expected ${names.map((each) => `"${each}"`).join(', ')}${hint}`,
    )
  }
  return wanted.length === 0 ? all : all.filter(({ name }) => wanted.includes(name))
}
