import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { loadText } from '../../helpers/problems.ts'
import { pathsOf, WHOLE, withAt } from '../../helpers/whole-config.ts'

const AROUND = { env: { CORP_SECRET: 's' } }

const PATHS = pathsOf(WHOLE)
const { anything } = fc.letrec<{ anything: unknown }>((tie) => ({
  anything: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false, 0, -1, 1e300, '', 'none', '${', '${NOT_SET}', '*', '~'),
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.array(tie('anything'), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom('file', 'env', 'value', 'method', '__proto__', 'constructor', '', '7'),
        fc.string(),
      ),
      tie('anything'),
      { maxKeys: 3 },
    ),
  ),
}))

test('the whole file is right', async () => {
  expect(await loadText(stringify(WHOLE), AROUND)).toMatchObject({ ok: true })
  expect(PATHS.length).toBeGreaterThan(60)
})

test('whatever stands anywhere in a file, it is loaded or refused, at places within it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...PATHS),
      anything,
      fc.constantFrom(...PATHS.filter((path) => path.length > 0)),
      async (path, put, nulled) => {
        expect(await absurditiesIn(stringify(withAt(WHOLE, path, put)))).toEqual([])
        expect(await absurditiesIn(stringify(withAt(WHOLE, nulled, null)))).toEqual([])
      },
    ),
    { numRuns: 400, seed: 26 },
  )
})

test('whatever text a file is, it is loaded or refused, at places within it', async () => {
  const text = stringify(WHOLE)
  const slice = fc.tuple(fc.nat(text.length), fc.nat(text.length))
  const spliced = fc
    .tuple(
      slice,
      fc.oneof(fc.string(), fc.constantFrom('&a', '*a', '? ', '- ', '---\n', '\t', '!')),
    )
    .map(([[from, to], put]) => text.slice(0, from) + put + text.slice(to))
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), spliced), async (anyText) => {
      expect(await absurditiesIn(anyText)).toEqual([])
    }),
    { numRuns: 400, seed: 26 },
  )
})

/** What is wrong with how a file is judged, right or not. */
async function absurditiesIn(text: string): Promise<string[]> {
  const result = await loadText(text, AROUND)
  const problems = result.ok ? result.warnings : result.problems
  const absurdities = !result.ok && problems.length === 0 ? ['refused for no reason'] : []
  const lines = text.split('\n')
  for (const { line, column, path, message } of problems) {
    const columns = (lines[line - 1] ?? '').length + 1
    if (line < 1 || line > lines.length || column < 1 || column > columns) {
      absurdities.push(`${line}:${column} is not in the file`)
    }
    // One line for each problem, whatever the file has in its keys and values.
    if (/[\n\r]/.test(path + message)) absurdities.push('a problem on several lines')
  }
  return absurdities
}
