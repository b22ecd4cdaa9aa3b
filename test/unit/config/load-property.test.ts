import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { loadText } from '../../helpers/problems.ts'
import { pathsOf, WHOLE, withAt } from '../../helpers/whole-config.ts'

const ENVIRONMENT = { env: { CORP_SECRET: 's' } }

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

test('the configuration with most keys is valid', async () => {
  expect(await loadText(stringify(WHOLE), ENVIRONMENT)).toMatchObject({ ok: true })
  expect(PATHS.length).toBeGreaterThan(60)
})

test('a configuration with any value at any path is loaded, or rejected with problems at positions within it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...PATHS),
      anything,
      fc.constantFrom(...PATHS.filter((path) => path.length > 0)),
      async (path, put, nulled) => {
        expect(await invalidProblemsOf(stringify(withAt(WHOLE, path, put)))).toEqual([])
        expect(await invalidProblemsOf(stringify(withAt(WHOLE, nulled, null)))).toEqual([])
      },
    ),
    { numRuns: 400, seed: 26 },
  )
})

test('any text is loaded as configuration, or rejected with problems at positions within it', async () => {
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
      expect(await invalidProblemsOf(anyText)).toEqual([])
    }),
    { numRuns: 400, seed: 26 },
  )
})

/** Invalid problems or warnings: outside of the file, or on several lines. */
async function invalidProblemsOf(text: string): Promise<string[]> {
  const result = await loadText(text, ENVIRONMENT)
  const problems = result.ok ? result.warnings : result.problems
  const invalid = !result.ok && problems.length === 0 ? ['rejected without a problem'] : []
  const lines = text.split('\n')
  for (const { line, column, path, message } of problems) {
    const columns = (lines[line - 1] ?? '').length + 1
    if (line < 1 || line > lines.length || column < 1 || column > columns) {
      invalid.push(`${line}:${column} is not in the file`)
    }
    // Each problem is one line, even if keys or values contain line breaks.
    if (/[\n\r]/.test(path + message)) invalid.push('a problem on several lines')
  }
  return invalid
}
