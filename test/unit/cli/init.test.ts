import { readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runCommand } from '../../helpers/cli.ts'
import { loadText, type ConfigEnvironment } from '../../helpers/problems.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

const SECRET = { files: { './client-secret': 's3cret\n' } }

async function newFile(): Promise<string> {
  return join(await temporaryDirectory(), 'token-sidecar.yaml')
}

test('init writes a configuration that check accepts once the secret exists', async () => {
  const file = await newFile()
  const { code, out, err } = await runCommand(['init', file])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain(`Wrote ${file}.`)
  expect(out).toContain(`token-sidecar check --live -c ${file}\n`)
  expect(out).toContain(`into the file ${join(dirname(file), 'client-secret')}.\n`)
  expect(await runCommand(['check', '-c', file])).toMatchObject({
    code: 3,
    err: expect.stringContaining('auth.clientSecret.file: expected a file that can be read'),
  })
  await writeFile(join(dirname(file), 'client-secret'), 's3cret\n')
  expect(await runCommand(['check', '-c', file])).toMatchObject({
    code: 0,
    out: expect.stringContaining(`${file} is valid: 1 route, 1 credential\n`),
    err: '',
  })
})

test('init writes the given options', async () => {
  const file = await newFile()
  const given = [
    ['--issuer', 'https://login.corp.example/realms/a'],
    ['--client-id', 'legacy-billing'],
    ['--upstream', 'https://orders.corp.example:8443/v2'],
  ]
  expect(await runCommand(['init', file, ...given.flat()])).toMatchObject({ code: 0 })
  expect(await loadText(await readFile(file, 'utf8'), SECRET)).toMatchObject({
    ok: true,
    config: {
      credentials: {
        default: { issuer: 'https://login.corp.example/realms/a', clientId: 'legacy-billing' },
      },
      routes: [{ upstream: 'https://orders.corp.example:8443/v2' }],
    },
  })
})

test('init writes all options', async () => {
  const given = [
    ['--token-endpoint', 'https://login.corp.example/token'],
    ['--client-secret-env', 'CORP_SECRET'],
    ['--scope', 'orders.read', '--scope', 'true'],
    ['--path', '/orders', '--host', '*.corp.example'],
    ['--listen', '[::1]:8081', '--admin', 'unix:/run/admin.sock'],
  ]
  const { code, out, err } = await runCommand(['init', '-', ...given.flat()])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(await loadText(out, { env: { CORP_SECRET: 's3cret' } })).toMatchObject({
    ok: true,
    warnings: [],
    config: {
      listen: [{ address: { host: '::1', port: 8081 } }],
      admin: { path: '/run/admin.sock' },
      credentials: {
        default: {
          tokenEndpoint: 'https://login.corp.example/token',
          auth: { clientSecret: { env: 'CORP_SECRET' } },
          scopes: ['orders.read', 'true'],
        },
      },
      routes: [{ match: { path: '/orders', host: '*.corp.example' } }],
    },
  })
})

test('init prints the configuration for "-" and writes no file', async () => {
  const file = await newFile()
  await runCommand(['init', file])
  expect(await runCommand(['init', '-'])).toEqual({
    code: 0,
    out: await readFile(file, 'utf8'),
    err: '',
  })
  expect(await readdir('.')).not.toContain('-')
})

test('init prints the next steps', async () => {
  const file = await newFile()
  const { out } = await runCommand(['init', file, '--client-secret-file', '/run/secrets/corp'])
  expect(out).toBe(`Wrote ${file}.
Next:
  1. Put the client secret into the file /run/secrets/corp.
  2. Check the configuration, and fetch a token:
       token-sidecar check --live -c ${file}
  3. Run it:
       token-sidecar run -c ${file}
`)
  const other = await runCommand(['init', await newFile(), '--client-secret-env', 'CORP_SECRET'])
  expect(other.out).toContain('1. Put the client secret into the environment variable CORP_SECRET.')
})

test.for([
  ['--issuer', 'login.corp.example', 'expected an http(s) URL'],
  ['--issuer', '', 'expected an http(s) URL'],
  ['--issuer', 'http://login.corp.example', 'expected an https URL'],
  ['--token-endpoint', 'https://login.corp.example/token#a', 'expected an http(s) URL'],
  ['--client-id', '', 'expected printable ASCII characters'],
  ['--client-id', 'gr\u00FCn', 'expected printable ASCII characters'],
  ['--client-secret-file', '', 'expected a text that is not empty'],
  ['--client-secret-env', '', 'expected a text that is not empty'],
  ['--scope', 'orders.read orders.write', 'expected one scope'],
  ['--upstream', 'api.example.com', 'expected an http(s) URL'],
  ['--upstream', 'http://127.0.0.1:8080/', 'requests would loop'],
  ['--path', 'orders', 'expected a path such as "/orders"'],
  ['--path', '/a/../b', 'expected a path without'],
  ['--host', 'https://api.example.com', 'expected a host such as'],
  ['--listen', '8080', 'expected an address such as'],
  ['--admin', '127.0.0.1:8080', 'expected another address than that of "listen"'],
] as const)(
  '%s %j is rejected with the message of check, and no file is written',
  async (given) => {
    const [flag, value, message] = given
    const file = await newFile()
    const { code, out, err } = await runCommand(['init', file, `${flag}=${value}`])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err.split('\n')[0]).toMatch(/^error: --[a-z-]+: expected /)
    expect(err).toContain(`${flag}: `)
    expect(err).toContain(message)
    expect(await readdir(dirname(file))).toEqual([])
  },
)

test('init rejects the same address for both listeners, also if one is the default', async () => {
  const { code, err } = await runCommand(['init', '-', '--listen=127.0.0.1:9090'])
  expect(code).toBe(2)
  expect(err).toContain('--admin: expected another address than that of "listen"')
})

test('init reports all problems at once', async () => {
  const { err } = await runCommand(['init', '-', '--issuer=a', '--path=b', '--scope=c', '--scope='])
  expect(err.match(/^error: --\w+/gm)).toEqual([
    'error: --issuer',
    'error: --scope',
    'error: --path',
  ])
})

test.for([
  ['--issuer', '--token-endpoint'],
  ['--client-secret-file', '--client-secret-env'],
] as const)('%s and %s can not be given together', async (flags) => {
  const { code, err } = await runCommand([
    'init',
    '-',
    ...flags.flatMap((flag) => [flag, 'https://a.example']),
  ])
  expect(code).toBe(2)
  for (const flag of flags) expect(err).toContain(flag)
})

/** The client identifier in a configuration that `init` has written with it. */
async function roundTrip(clientId: string): Promise<string | undefined> {
  return (await credentialOf([`--client-id=${clientId}`]))?.clientId
}

/** The credential in a configuration that `init` has written with these options. */
async function credentialOf(given: readonly string[], around: ConfigEnvironment = SECRET) {
  const { code, out, err } = await runCommand(['init', '-', ...given])
  if (code !== 0) throw new Error(err)
  const result = await loadText(out, around)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.config.credentials['default']
}

test.for([
  '4711',
  '1e3',
  '0x10',
  '.5',
  'true',
  'null',
  '~',
  '-',
  '--',
  '---',
  'a:',
  'a: b',
  ': a',
  '#a',
  'a #b',
  '"a"',
  "it's",
  'a\\b',
  ' a ',
  '{a}',
  '[a]',
  '*a',
  '&a',
  '!a',
  '%a',
  '@a',
  '`a`',
  '|',
  '>',
  '?',
  '<<',
  '${HOME}',
  '$${HOME}',
  '${',
  '${HOME:-x}',
  'https://a.example/?b=c&d',
])('init writes the client identifier %s so that it is read unchanged', async (clientId) => {
  expect(await roundTrip(clientId)).toBe(clientId)
})

const printable = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 })
/** Including control characters and emoji; a command line cannot contain NUL. */
const anything = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 12 })
  .map((text) => text.replaceAll('\0', '\u0001'))
const RUNS = { seed: 26, numRuns: 200 }

test('init writes any client identifier so that it is read unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(printable, async (clientId) => {
      expect(await roundTrip(clientId)).toBe(clientId)
    }),
    RUNS,
  )
})

test('init accepts any file name for the secret', async () => {
  await fc.assert(
    fc.asyncProperty(anything, async (name) => {
      const credential = await credentialOf([`--client-secret-file=${name}`], {
        files: { [name]: 's3cret' },
      })
      expect(credential?.auth).toMatchObject({ clientSecret: { file: name } })
    }),
    RUNS,
  )
})

test('init accepts any environment variable for the secret', async () => {
  await fc.assert(
    fc.asyncProperty(anything, async (name) => {
      const credential = await credentialOf([`--client-secret-env=${name}`], {
        env: { [name]: 's3cret' },
      })
      expect(credential?.auth).toMatchObject({ clientSecret: { env: name } })
    }),
    RUNS,
  )
})

// RFC 6749 appendix A.4.
const scope = fc
  .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 8 })
  .filter((text) => !/[ "\\]/.test(text))

test('init writes scopes unchanged and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(scope, { maxLength: 4 }), async (scopes) => {
      const credential = await credentialOf(scopes.map((text) => `--scope=${text}`))
      expect(credential?.scopes).toEqual(scopes)
    }),
    RUNS,
  )
})

test('init never overwrites a file', async () => {
  const file = await newFile()
  await writeFile(file, 'precious')
  expect(await runCommand(['init', file])).toEqual({
    code: 1,
    out: '',
    err: `Cannot write "${file}": it exists already\n`,
  })
  expect(await readFile(file, 'utf8')).toBe('precious')
})

test('init fails if the directory does not exist', async () => {
  const directory = await temporaryDirectory()
  const { code, out, err } = await runCommand(['init', join(directory, 'none', 'a.yaml')])
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toMatch(/^Cannot write ".*a\.yaml": .*no such directory\n$/)
  expect(await readdir(directory)).toEqual([])
})
