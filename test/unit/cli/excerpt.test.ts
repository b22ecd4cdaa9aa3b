import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { excerptOf } from '../../../src/cli/excerpt.ts'
import { loadText } from '../../helpers/problems.ts'

const MESSAGE = 'expected a string'

test.for([
  {
    title: 'a value is pointed at, and not shown',
    text: 'a:\n  clientId: s3cret # for now\n',
    problem: { line: 2, column: 13, path: 'credentials.a.clientId', message: MESSAGE },
    lines: ['2 |   clientId: …', '  |             ^'],
  },
  {
    title: 'a key is pointed at in its whole length',
    text: 'routes:\n  - name: a\n    credental: corp\n',
    problem: { line: 3, column: 5, path: 'routes[0]', message: 'unknown key "credental"' },
    lines: ['3 |     credental: …', '  |     ^^^^^^^^^'],
  },
  {
    title: 'an item of a list keeps its dash',
    text: 'routes:\n  - name: a b\n',
    problem: { line: 2, column: 11, path: 'routes[0].name', message: MESSAGE },
    lines: ['2 |   - name: …', '  |           ^'],
  },
  {
    title: 'what stands within braces is left out, and the braces are pointed at',
    text: 'auth: { clientSecret: { env: A } }\n',
    problem: { line: 1, column: 30, path: 'auth.clientSecret.env', message: MESSAGE },
    lines: ['1 | auth: …', '  |       ^'],
  },
  {
    title: 'a key without a value is pointed at itself',
    text: 'a:\r\nroutes:\r\n',
    problem: { line: 2, column: 8, path: 'routes', message: MESSAGE },
    lines: ['2 | routes:', '  | ^^^^^^'],
  },
  {
    title: 'a byte order mark is not counted',
    text: '\uFEFFvia: 7\n',
    problem: { line: 1, column: 6, path: 'via', message: MESSAGE },
    lines: ['1 | via: …', '  |      ^'],
  },
  {
    title: 'a key that the problem does not name is not shown: it may be a slip in a secret',
    text: 'auth:\n  hunter2: x\n',
    problem: { line: 2, column: 3, path: 'auth', message: 'unknown key; expected one of method' },
    lines: [],
  },
  {
    title: 'a line without a key is not shown',
    text: 'scopes:\n  - s3cret\n',
    problem: { line: 2, column: 5, path: 'scopes[0]', message: MESSAGE },
    lines: [],
  },
  {
    title: 'a line that is not there is not shown',
    text: '',
    problem: { line: 9, column: 1, path: 'routes', message: MESSAGE },
    lines: [],
  },
])('$title', ({ text, problem, lines }) => {
  expect(excerptOf(text, problem)).toEqual(lines)
})

test('an excerpt contains no text of the file except for a key that the problem names', async () => {
  const word = fc.stringMatching(/^[a-z]{1,3}HUNTER2[ :#'"{}-]{0,2}$/)
  const line = fc
    .tuple(
      fc.constantFrom('', '  ', '    ', '  - ', '      '),
      fc.oneof(fc.constantFrom('auth', 'routes', 'clientSecret', 'value', 'listen'), word),
      fc.constantFrom(': ', ':', ': {', ': |', ' '),
      fc.oneof(word, fc.constant('')),
    )
    .map((parts) => parts.join(''))
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 6 }), async (lines) => {
      const text = lines.join('\n')
      const result = await loadText(text)
      for (const problem of result.ok ? [] : result.problems) {
        const shown = excerptOf(text, problem).join('\n')
        const said = `${problem.path} ${problem.message}`
        for (const [key] of shown.matchAll(/[A-Za-z]\w*HUNTER2/g)) expect(said).toContain(key)
      }
    }),
    { seed: 26, numRuns: 500 },
  )
})
