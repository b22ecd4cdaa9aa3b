import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { configWith, loadText } from '../../helpers/problems.ts'

const AROUND = { env: { CORP_SECRET: 's' } }

/** A file with every key that there is. */
const WHOLE = parse(
  stringify({
    listen: '127.0.0.1:8080',
    admin: '127.0.0.1:9090',
    limits: { headers: '16KiB' },
    log: { level: 'info', access: 'on', format: 'auto' },
    shutdown: { deadline: '25s' },
    ...configWith({
      credential: {
        auth: { method: 'client_secret_basic', clientSecret: { env: 'CORP_SECRET' } },
        scopes: ['a', 'b'],
        audience: ['c'],
        resource: 'https://c.example',
        parameters: { d: 'e' },
        tls: {},
        timeout: '10s',
        refresh: { leeway: '60s', jitter: '10s' },
        defaultLifetime: '5m',
        prefetch: false,
        allowPlaintext: false,
      },
      route: {
        match: { host: 'a.example', path: '/orders', methods: ['GET'] },
        keepPath: true,
        scopes: ['a'],
        audience: 'b',
        resource: ['https://c.example'],
        inject: { header: 'Authorization', prefix: 'Bearer' },
        existingAuthorization: 'keep',
        headers: { set: { 'X-A': 'b' }, remove: ['X-B'] },
        timeouts: { token: '10s', connect: '5s', response: '60s', idle: '60s' },
        tls: {},
        allowPlaintext: false,
      },
    }),
  }),
)

type Path = readonly (string | number)[]

/** The paths of everything in a value, itself included. */
function pathsOf(value: unknown): Path[] {
  if (typeof value !== 'object' || value === null) return [[]]
  return [
    [],
    ...Object.entries(value).flatMap(([key, inner]) =>
      pathsOf(inner).map((path) => [Array.isArray(value) ? Number(key) : key, ...path]),
    ),
  ]
}

/** The value with another one at a path. */
function withAt(value: unknown, [key, ...rest]: Path, put: unknown): unknown {
  if (key === undefined) return put
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (index === key ? withAt(item, rest, put) : item))
  }
  if (typeof value !== 'object' || value === null) throw new TypeError('expected a longer value')
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === key ? withAt(inner, rest, put) : inner,
    ]),
  )
}

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
