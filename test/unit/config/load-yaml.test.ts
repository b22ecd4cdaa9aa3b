import { expect, test } from 'vitest'
import { loadText, problemsOf } from '../../helpers/problems.ts'

const ROUTES = `routes:
  - name: all
    match: { path: / }
    upstream: https://api.example.com
    credential: none
`

test.for([
  ['an empty file', ''],
  ['a file of comments', '# nothing\n\n# yet\n'],
  ['an empty document', '---\n'],
  ['a file that is a list', '- a\n- b\n'],
  ['a file that is a string', 'some text\n'],
  ['a file that is a number', '8080\n'],
] as const)('%s is rejected with one problem', async ([, text]) => {
  expect(await problemsOf(text)).toEqual([expect.stringMatching(/^1:[14] expected a map, got /)])
})

/** Files with a syntax error, and its position. */
const BROKEN: readonly [what: string, text: string, place: string][] = [
  ['a tab as indentation', 'log:\n\tlevel: info\n', '2:1'],
  ['an unterminated quote', 'listen: "127.0.0.1:8080\nadmin: x\n', '3:1'],
  ['an unclosed bracket', 'routes: [\n', '2:1'],
  ['an unclosed brace', 'routes: [{ name: a ]\n', '1:20'],
  ['an additional brace', 'routes: [] }\n', '1:12'],
  ['an unquoted string with a colon', 'listen: a: b\n', '1:9'],
  ['a string that starts with "@"', 'listen: @home\n', '1:9'],
  ['a string that starts with "`"', 'listen: `home`\n', '1:9'],
  ['an unknown escape', 'listen: "a\\qb"\n', '1:11'],
  ['a list item within a map', 'log:\n  level: info\n  - x\n', '3:1'],
  ['a key without a colon', 'listen: a\nadmin\n', '2:1'],
  ['a missing space of indentation', 'log:\n  level: info\n format: json\n', '3:1'],
  ['a second document', 'listen: a\n---\nadmin: b\n', '2:1'],
  ['a variable within braces', 'log: { level: ${LEVEL} }\n', '1:16'],
  ['a variable within brackets', 'routes: [ ${ROUTE} ]\n', '1:12'],
  ['a key that is a list', '? [a, b]\n: c\n', '1:3'],
  ['an alias without an anchor', 'log:\n  level: *nothing\n', '2:10'],
]

test.for(BROKEN)('%s is reported once, at its position', async ([, text, place]) => {
  expect(await problemsOf(text)).toEqual([expect.stringMatching(`^${place} expected `)])
})

test.for(BROKEN)('%s is reported without terms of the parser', async ([, text]) => {
  expect((await problemsOf(text)).join('\n')).not.toMatch(
    /YAML\.|block-|flow-|-ind\b|token|compact|implicit|stringKeys|undefined/i,
  )
})

test.for([
  ['a missing comma', '{ a: b c: d }\n', 'expected a comma between the entries'],
  ['a template', 'listen: {{ .Values.listen }}\n', 'expected no "{{" outside of quotes'],
  ['no space after the colon', 'listen:127.0.0.1:80\nlog: {}\n', 'expected a colon and a space'],
  ['deep nesting', `a: ${'{ a: '.repeat(5000)}${'}'.repeat(5000)}`, 'expected less nesting'],
] as const)('%s is reported with its cause', async ([, text, message]) => {
  expect(await problemsOf(text)).toEqual([expect.stringContaining(message)])
})

test('a no-break space in an unknown key is reported by its name', async () => {
  expect(await problemsOf(`\u00A0level: info\n${ROUTES}`)).toEqual([
    expect.stringContaining('unknown key; character 1 is U+00A0 (no-break space)'),
  ])
})

test('the problem of a variable within braces suggests quotes', async () => {
  expect(await problemsOf('log: { level: ${LEVEL} }', { env: { LEVEL: 'info' } })).toEqual([
    expect.stringMatching(/quotes/),
  ])
})

test('a duplicate key is reported at its second position, with all other problems', async () => {
  expect(await problemsOf(`log: {}\nadmin: x\n${ROUTES}log: {}\n`)).toEqual([
    expect.stringMatching(/^2:8 admin: expected an address/),
    expect.stringMatching(/^8:1 expected /),
  ])
})

test('a tag is rejected at its position', async () => {
  expect(await problemsOf(`listen: !env ADDRESS:80\n${ROUTES}`)).toEqual([
    expect.stringMatching(/^1:9 expected /),
  ])
})

test('an alias bomb is rejected', async () => {
  const levels = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
  const bomb = levels.map((level, index) => {
    const below = levels[index - 1]
    const item = below === undefined ? 'boom' : `*${below}`
    return `${level}: &${level} [${Array.from({ length: 10 }, () => item).join(', ')}]\n`
  })
  expect(await problemsOf(bomb.join(''))).toEqual([expect.stringMatching(/^1:1 expected .*alias/)])
})

// Several recursive aliases could hang the test run, so e2e/program.test.ts tests them in a child process.
test.for([
  ['a map', `credentials: &a\n  x: *a\n${ROUTES}`],
  ['a list', 'routes: &a [*a]\n'],
  ['a list in a map', `credentials: &a { x: [*a] }\n${ROUTES}`],
] as const)('%s that contains itself is rejected', async ([, text]) => {
  expect(await problemsOf(text)).not.toEqual([])
})

test('a mistake in an anchored map is reported at the anchor, for each alias', async () => {
  const text = `credentials:
  one: &client
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { env: SECRET } }
    timeout: soon
  two: *client
routes:
  - { name: one, match: { path: /1 }, upstream: 'https://a.example', credential: one }
  - { name: two, match: { path: /2 }, upstream: 'https://a.example', credential: two }
`
  const environment = { env: { SECRET: 's' } }
  expect(await problemsOf(text, environment)).toEqual([
    expect.stringMatching(/^6:14 credentials\.one\.timeout: expected a duration/),
    expect.stringMatching(/^6:14 credentials\.two\.timeout: expected a duration/),
  ])
  expect(await problemsOf(text.replace('soon', '5s'), environment)).toEqual([])
})

test('names that YAML parses as a number or a boolean are accepted', async () => {
  const text = `credentials:
  4711:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { env: SECRET } }
    timeout: soon
routes:
  - name: '7'
    match: { path: / }
    upstream: https://api.example.com
    credential: '4711'
    headers: { set: { true: x } }
`
  expect(await problemsOf(text, { env: { SECRET: 's' } })).toEqual([
    expect.stringMatching(/^6:14 credentials\.4711\.timeout: expected a duration/),
  ])
})

test.for([
  [
    'a number',
    '8080',
    /^1:9 listen: expected an address such as .*, got the number 8080; did you mean "127\.0\.0\.1:8080"\?$/,
  ],
  ['a boolean', 'true', /^1:9 listen: expected an address such as .*, got the boolean true$/],
  ['nothing', '', /^1:9 listen: expected an address such as .*, got nothing$/],
  [
    'a list of something else than maps',
    '[1]',
    /^1:10 listen\[0\]: expected a map, got the number 1/,
  ],
] as const)(
  '%s instead of a listen address is rejected with the expected form',
  async ([, value, expected]) => {
    expect(await problemsOf(`listen: ${value}\n${ROUTES}`)).toEqual([
      expect.stringMatching(expected),
    ])
  },
)

test('columns do not include the byte order mark', async () => {
  expect(await problemsOf(`\uFEFFlisten: home\n${ROUTES}`)).toEqual([
    expect.stringMatching(/^1:9 listen: /),
  ])
})

test('a file with CRLF line ends, a byte order mark and document markers is accepted', async () => {
  const text = `\uFEFF---\nlisten: 127.0.0.1:8081\n${ROUTES}...\n`.replaceAll('\n', '\r\n')
  const result = await loadText(text)
  expect(result).toMatchObject({
    ok: true,
    config: {
      listen: [{ address: { kind: 'tcp', host: '127.0.0.1', port: 8081 } }],
      routes: [{ upstream: 'https://api.example.com' }],
    },
  })
})

test('a folded block scalar is accepted', async () => {
  const text = `listen: >-\n  127.0.0.1:8081\n${ROUTES}`
  expect(await problemsOf(text)).toEqual([])
})

test('the parser emits no process warning', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  try {
    await problemsOf('? { secret: hunter2-canary }\n: x\na: !tag b\n')
    const { promise, resolve } = Promise.withResolvers<void>()
    setImmediate(resolve)
    await promise
  } finally {
    process.off('warning', onWarning)
  }
  expect(warnings).toEqual([])
})
