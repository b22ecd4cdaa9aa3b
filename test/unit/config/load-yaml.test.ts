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
  ['a file that is a text', 'some text\n'],
  ['a file that is a number', '8080\n'],
] as const)('%s is refused with one sentence', async ([, text]) => {
  expect(await problemsOf(text)).toEqual([expect.stringMatching(/^1:[14] expected a map, got /)])
})

/** Files that are no YAML, and where they stop being it. */
const BROKEN: readonly [what: string, text: string, place: string][] = [
  ['a tab as indentation', 'log:\n\tlevel: info\n', '2:1'],
  ['a quote that is never closed', 'listen: "127.0.0.1:8080\nadmin: x\n', '3:1'],
  ['a bracket that is never closed', 'routes: [\n', '2:1'],
  ['a brace that is never closed', 'routes: [{ name: a ]\n', '1:20'],
  ['a brace too many', 'routes: [] }\n', '1:12'],
  ['a text with a colon and no quotes', 'listen: a: b\n', '1:9'],
  ['a text that starts with "@"', 'listen: @home\n', '1:9'],
  ['a text that starts with "`"', 'listen: `home`\n', '1:9'],
  ['an unknown escape', 'listen: "a\\qb"\n', '1:11'],
  ['a list where keys go on', 'log:\n  level: info\n  - x\n', '3:1'],
  ['a key without a colon', 'listen: a\nadmin\n', '2:1'],
  ['a space too few', 'log:\n  level: info\n format: json\n', '3:1'],
  ['a second document', 'listen: a\n---\nadmin: b\n', '2:1'],
  ['a variable within braces', 'log: { level: ${LEVEL} }\n', '1:16'],
  ['a variable within brackets', 'routes: [ ${ROUTE} ]\n', '1:12'],
  ['a key that is a list', '? [a, b]\n: c\n', '1:3'],
  ['an alias without an anchor', 'log:\n  level: *nothing\n', '2:10'],
]

test.for(BROKEN)('%s is said once, where it is, and nothing else', async ([, text, place]) => {
  expect(await problemsOf(text)).toEqual([expect.stringMatching(`^${place} expected `)])
})

test.for(BROKEN)('%s is said in the words of a person, not of a parser', async ([, text]) => {
  expect((await problemsOf(text)).join('\n')).not.toMatch(
    /YAML\.|block-|flow-|-ind\b|token|compact|implicit|stringKeys|undefined/i,
  )
})

test.for([
  ['a comma that is missing', '{ a: b c: d }\n', 'expected a comma between the entries'],
  ['a template', 'listen: {{ .Values.listen }}\n', 'expected no "{{" outside of quotes'],
  ['no space after the colon', 'listen:127.0.0.1:80\nlog: {}\n', 'expected a colon and a space'],
  ['deep nesting', `a: ${'{ a: '.repeat(5000)}${'}'.repeat(5000)}`, 'expected less nesting'],
] as const)('%s is described', async ([, text, message]) => {
  expect(await problemsOf(text)).toEqual([expect.stringContaining(message)])
})

test('a character that looks like a space is named in an unknown key', async () => {
  expect(await problemsOf(`\u00A0level: info\n${ROUTES}`)).toEqual([
    expect.stringContaining('unknown key; character 1 is U+00A0 (no-break space)'),
  ])
})

test('a variable within braces is said to need quotes', async () => {
  expect(await problemsOf('log: { level: ${LEVEL} }', { env: { LEVEL: 'info' } })).toEqual([
    expect.stringMatching(/quotes/),
  ])
})

test('a key that stands there twice is reported where it stands again, with all other problems', async () => {
  expect(await problemsOf(`log: {}\nadmin: x\n${ROUTES}log: {}\n`)).toEqual([
    expect.stringMatching(/^2:8 admin: expected an address/),
    expect.stringMatching(/^8:1 expected /),
  ])
})

test('a tag, which would be ignored, is refused where it is', async () => {
  expect(await problemsOf(`listen: !env ADDRESS:80\n${ROUTES}`)).toEqual([
    expect.stringMatching(/^1:9 expected /),
  ])
})

test('a bomb of aliases is refused at once', async () => {
  const levels = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
  const bomb = levels.map((level, index) => {
    const below = levels[index - 1]
    const item = below === undefined ? 'boom' : `*${below}`
    return `${level}: &${level} [${Array.from({ length: 10 }, () => item).join(', ')}]\n`
  })
  expect(await problemsOf(bomb.join(''))).toEqual([expect.stringMatching(/^1:1 expected .*alias/)])
})

// With several aliases inside it would be tried for ever, so cli/program.test.ts does that.
test.for([
  ['a map', `credentials: &a\n  x: *a\n${ROUTES}`],
  ['a list', 'routes: &a [*a]\n'],
  ['a list in a map', `credentials: &a { x: [*a] }\n${ROUTES}`],
] as const)('%s that contains itself is no endless loop', async ([, text]) => {
  expect(await problemsOf(text)).not.toEqual([])
})

test('anchors and aliases may say a thing once; its mistakes are reported where it is said', async () => {
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
  const around = { env: { SECRET: 's' } }
  expect(await problemsOf(text, around)).toEqual([
    expect.stringMatching(/^6:14 credentials\.one\.timeout: expected a duration/),
    expect.stringMatching(/^6:14 credentials\.two\.timeout: expected a duration/),
  ])
  expect(await problemsOf(text.replace('soon', '5s'), around)).toEqual([])
})

test('names that YAML takes for a number or a truth value are names', async () => {
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
  ['a truth value', 'true', /^1:9 listen: expected an address such as .*, got the boolean true$/],
  ['nothing', '', /^1:9 listen: expected an address such as .*, got nothing$/],
  ['a list', '[1]', /^1:9 listen: expected an address such as /],
] as const)('%s instead of an address is told what is expected', async ([, value, expected]) => {
  expect(await problemsOf(`listen: ${value}\n${ROUTES}`)).toEqual([expect.stringMatching(expected)])
})

test('columns are counted without the byte order mark, as editors do', async () => {
  expect(await problemsOf(`\uFEFFlisten: home\n${ROUTES}`)).toEqual([
    expect.stringMatching(/^1:9 listen: /),
  ])
})

test('a file with the line ends of Windows, a byte order mark and a document start is fine', async () => {
  const text = `\uFEFF---\nlisten: 127.0.0.1:8081\n${ROUTES}...\n`.replaceAll('\n', '\r\n')
  const result = await loadText(text)
  expect(result).toMatchObject({
    ok: true,
    config: {
      listen: { kind: 'tcp', host: '127.0.0.1', port: 8081 },
      routes: [{ upstream: 'https://api.example.com' }],
    },
  })
})

test('a long text over several lines is folded, as YAML has it', async () => {
  const text = `listen: >-\n  127.0.0.1:8081\n${ROUTES}`
  expect(await problemsOf(text)).toEqual([])
})

test('nothing is written to standard error by the parser', async () => {
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
