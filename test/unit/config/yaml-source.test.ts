import { expect, test } from 'vitest'
import { readYaml } from '../../../src/config/yaml-source.ts'

const TEXT = `# first
listen: "\${HOST}:8080"
credentials:
  corp: &corp
    clientId: 'a'
    scopes: [one,
      two]
  other: *corp
  404: { timeout: 5s }
routes:
  - name: orders
    match: {}
  - # empty
nothing:
`
const source = readYaml(TEXT, { HOST: 'localhost' })

test('the data has its variables interpolated', () => {
  expect(source.data).toEqual({
    listen: 'localhost:8080',
    credentials: {
      corp: { clientId: 'a', scopes: ['one', 'two'] },
      other: { clientId: 'a', scopes: ['one', 'two'] },
      '404': { timeout: '5s' },
    },
    routes: [{ name: 'orders', match: {} }, null],
    nothing: null,
  })
})

test.for([
  { path: [], value: '2:1', key: '2:1' },
  { path: ['listen'], value: '2:9', key: '2:1' },
  { path: ['credentials', 'corp'], value: '5:5', key: '4:3' },
  { path: ['credentials', 'corp', 'clientId'], value: '5:15', key: '5:5' },
  { path: ['credentials', 'corp', 'scopes', 1], value: '7:7', key: '7:7' },
  { path: ['credentials', 'other'], value: '8:10', key: '8:3' },
  // The position of the anchored value.
  { path: ['credentials', 'other', 'clientId'], value: '5:15', key: '5:5' },
  { path: ['credentials', '404', 'timeout'], value: '9:19', key: '9:10' },
  { path: ['routes', 0], value: '11:5', key: '11:5' },
  { path: ['routes', 0, 'match'], value: '12:12', key: '12:5' },
  // A missing key has the position of its parent.
  { path: ['admin'], value: '2:1', key: '2:1' },
  { path: ['credentials', 'corp', 'auth'], value: '4:3', key: '4:3' },
  { path: ['routes', 0, 'match', 'path'], value: '12:5', key: '12:5' },
  { path: ['routes', 7], value: '10:1', key: '10:1' },
  { path: ['listen', 'host'], value: '2:1', key: '2:1' },
])('the value of $path is at $value, and its key at $key', ({ path, value, key }) => {
  const at = source.locate(path)
  const keyAt = source.locateKey(path)
  expect([`${at.line}:${at.column}`, `${keyAt.line}:${keyAt.column}`]).toEqual([value, key])
})

test.for([
  { path: ['listen'], text: '"${HOST}:8080"' },
  { path: ['credentials'], text: 'a map' },
  { path: ['credentials', 'corp', 'scopes'], text: 'a list' },
  { path: ['credentials', 'corp', 'clientId'], text: '"a"' },
  { path: ['credentials', 'other'], text: 'an alias' },
  { path: ['nothing'], text: 'nothing' },
  { path: ['admin'], text: undefined },
])('the value of $path is described as $text', ({ path, text }) => {
  expect(source.describe(path)).toBe(text)
})

test.for([
  ['7', 'the number 7'],
  ['0x10', 'the number 0x10'],
  ['1e3', 'the number 1e3'],
  ['true', 'the boolean true'],
  ['yes', '"yes"'],
  ['~', 'nothing'],
  ['""', '""'],
] as const)('the value %s is described as %s', ([value, text]) => {
  expect(readYaml(`a: ${value}`, {}).describe(['a'])).toBe(text)
})

test('keys are not interpolated', () => {
  expect(readYaml('${A}: ${A}', { A: 'b' }).data).toEqual({ '${A}': 'b' })
})

test('the value of a variable is a string, even if it looks like YAML', () => {
  const env = { A: '7', B: '{ x: [1] }', C: 'a\nb: c', D: '*corp' }
  expect(readYaml('["${A}", "${B}", "${C}", "${D}"]', env).data).toEqual([
    '7',
    '{ x: [1] }',
    'a\nb: c',
    '*corp',
  ])
})
