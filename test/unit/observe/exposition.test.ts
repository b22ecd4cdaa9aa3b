import { expect, test } from 'vitest'
import { expositionOf, type MetricSnapshot } from '../../../src/observe/exposition.ts'

function metric(changes: Partial<MetricSnapshot>): MetricSnapshot {
  return { name: 'requests_total', type: 'counter', help: 'Requests', samples: [], ...changes }
}

test('a sample has its labels in braces, and no braces without labels', () => {
  const samples = [
    { labels: { route: 'a', status: '2xx' }, value: 3 },
    { labels: {}, value: 0.25 },
  ]
  expect(expositionOf([metric({ samples })])).toBe(
    `# HELP requests_total Requests
# TYPE requests_total counter
requests_total{route="a",status="2xx"} 3
requests_total 0.25
`,
  )
})

test('each series of a histogram has its suffix', () => {
  const samples = [
    { suffix: '_bucket', labels: { le: '+Inf' }, value: 1 },
    { suffix: '_sum', labels: {}, value: 2 },
    { suffix: '_count', labels: {}, value: 1 },
  ] as const
  expect(expositionOf([metric({ name: 'seconds', type: 'histogram', samples })])).toContain(
    'seconds_bucket{le="+Inf"} 1\nseconds_sum 2\nseconds_count 1\n',
  )
})

test.for([
  ['a"b', String.raw`a\"b`],
  ['a\\b', String.raw`a\\b`],
  ['a\nb', String.raw`a\nb`],
  ['a\\nb', String.raw`a\\nb`],
  ['ä}', 'ä}'],
])('the label value %j is escaped as "%s"', ([route = '', written]) => {
  const samples = [{ labels: { route }, value: 1 }]
  expect(expositionOf([metric({ samples })])).toContain(`{route="${written}"} 1\n`)
})

test('backslashes and line feeds of a help text are escaped, and quotes are not', () => {
  expect(expositionOf([metric({ help: 'a\nb \\ "c"' })])).toContain(
    String.raw`# HELP requests_total a\nb \\ "c"` + '\n',
  )
})

test.for([
  [Infinity, '+Inf'],
  [-Infinity, '-Inf'],
  [Number.NaN, 'NaN'],
  [1e21, '1e+21'],
] as const)('the value %d is written as %s', ([value, written]) => {
  const samples = [{ labels: {}, value }]
  expect(expositionOf([metric({ samples })])).toContain(`requests_total ${written}\n`)
})

test('an empty line separates metrics', () => {
  const text = expositionOf([metric({}), metric({ name: 'other_total' })])
  expect(text).toContain('counter\n\n# HELP other_total')
  expect(text.endsWith('counter\n')).toBe(true)
})
