import { readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runCommand } from '../../helpers/cli.ts'
import { loadText } from '../../helpers/problems.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

const SECRET = { files: { './client-secret': 's3cret\n' } }

async function newFile(): Promise<string> {
  return join(await temporaryDirectory(), 'token-sidecar.yaml')
}

test('the file that is written is right once the secret is there, and check says so', async () => {
  const file = await newFile()
  const { code, out, err } = await runCommand(['init', file])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain(`Wrote ${file}.`)
  expect(out).toContain(`token-sidecar check -c ${file}\n`)
  expect(await runCommand(['check', '-c', file])).toMatchObject({
    code: 3,
    err: expect.stringContaining('auth.clientSecret.file: expected a file that can be read'),
  })
  await writeFile(join(dirname(file), 'client-secret'), 's3cret\n')
  expect(await runCommand(['check', '-c', file])).toEqual({
    code: 0,
    out: `${file} is valid: 1 route, 1 credential\n`,
    err: '',
  })
})

test('what is given is in it', async () => {
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

/** The client identifier that a file has which was made for this one. */
async function roundTrip(file: string, clientId: string): Promise<string | undefined> {
  const { code, err } = await runCommand(['init', file, `--client-id=${clientId}`])
  if (code !== 0) throw new Error(err)
  const result = await loadText(await readFile(file, 'utf8'), SECRET)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.config.credentials['default']?.clientId
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
])('the client identifier %s is in it as it is', async (clientId) => {
  expect(await roundTrip(await newFile(), clientId)).toBe(clientId)
})

test('so is any other that a client may have', async () => {
  const directory = await temporaryDirectory()
  const printable = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 })
  let files = 0
  await fc.assert(
    fc.asyncProperty(printable, async (clientId) => {
      files += 1
      expect(await roundTrip(join(directory, `${files}.yaml`), clientId)).toBe(clientId)
    }),
    { seed: 26, numRuns: 200 },
  )
})

test('a file that is there already is never overwritten', async () => {
  const file = await newFile()
  await writeFile(file, 'precious')
  expect(await runCommand(['init', file])).toEqual({
    code: 1,
    out: '',
    err: `Cannot write "${file}": it exists already\n`,
  })
  expect(await readFile(file, 'utf8')).toBe('precious')
})

test('nothing is written where no directory is', async () => {
  const directory = await temporaryDirectory()
  const { code, out, err } = await runCommand(['init', join(directory, 'none', 'a.yaml')])
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toMatch(/^Cannot write ".*a\.yaml": .*no such directory\n$/)
  expect(await readdir(directory)).toEqual([])
})
