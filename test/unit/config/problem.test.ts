import { expect, test } from 'vitest'
import { formatKeyPath, formatProblem } from '../../../src/config/problem.ts'

test.for([
  [[], ''],
  [['listen'], 'listen'],
  [['routes', 0, 'match', 'methods', 12], 'routes[0].match.methods[12]'],
  [['credentials', 'a-b_c', 'auth'], 'credentials.a-b_c.auth'],
  [['routes', 0, 'headers', 'set', 'X-Tenant'], 'routes[0].headers.set.X-Tenant'],
] as const)('the path %j is formatted as %s', ([path, text]) => {
  expect(formatKeyPath(path)).toBe(text)
})

test('a key with line breaks is formatted on one line', () => {
  expect(formatKeyPath(['credentials', 'a\nb\r\nc'])).not.toMatch(/[\r\n]/)
})

test('a problem is formatted as file:line:column, which editors recognize', () => {
  const problem = { line: 8, column: 13, path: 'routes[0].upstream', message: 'expected a URL' }
  expect(formatProblem('a b.yaml', problem)).toBe(
    'a b.yaml:8:13 routes[0].upstream: expected a URL',
  )
  expect(formatProblem('a.yaml', { ...problem, path: '' })).toBe('a.yaml:8:13 expected a URL')
})
