import { execFileSync } from 'node:child_process'
import { copyFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { unsupportedNode } from '../../src/node-version.ts'
import { runProgram, writeConfig } from '../helpers/cli.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const VALID = forwardConfig('https://api.example.com')

test('the bundled program exits with 0 after a valid configuration', async () => {
  const file = await writeConfig(VALID)
  expect(await runProgram(['check', '-c', file])).toMatchObject({
    code: 0,
    out: expect.stringContaining(`${file} is valid: 1 route, 0 credentials\n`),
    err: '',
  })
})

test('"check --json" prints JSON only', async () => {
  const file = await writeConfig(VALID)
  const { code, out, err } = await runProgram(['check', '--json', '-c', file])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(JSON.parse(out)).toMatchObject({ valid: true })
})

test('the commands that "init" prints quote the file name for a shell', async () => {
  const file = join(await temporaryDirectory(), "it's $HOME.yaml")
  const { out } = await runProgram(['init', file])
  const [, word = ''] = /run -c (.*)\n/.exec(out) ?? []
  expect(execFileSync('sh', ['-c', `printf %s ${word}`], { encoding: 'utf8' })).toBe(file)
})

test('the bundled program exits with 1 if no route matches', async () => {
  const file = await writeConfig(VALID.replace('path: /', 'path: /a'))
  expect(await runProgram(['explain', 'GET', '/b', '-c', file])).toMatchObject({ code: 1, err: '' })
})

test('the bundled program exits with 2 after a usage error', async () => {
  expect(await runProgram(['--bogus'])).toMatchObject({ code: 2, out: '' })
})

test.for([['check'], ['run'], []])('an invalid configuration exits with 3: %j', async (command) => {
  const file = await writeConfig(VALID.replace('credential:', 'credental:'))
  const { code, out, err } = await runProgram([...command, '-c', file])
  expect({ code, out }).toEqual({ code: 3, out: '' })
  expect(err).toMatch(/:6:5 routes\[0\]: unknown key "credental"; did you mean "credential"\?\n$/)
})

test('the bundled program exits with 3 without a configuration', async () => {
  const { code, out, err } = await runProgram(['-c', '/no/such/file'])
  expect({ code, out }).toEqual({ code: 3, out: '' })
  expect(err).toContain('Cannot read the configuration "/no/such/file": no such file\n')
})

test('without -c, the configuration is token-sidecar.yaml in the working directory', async () => {
  const file = await writeConfig(VALID)
  expect(await runProgram(['check'], { cwd: dirname(file) })).toMatchObject({
    code: 0,
    out: expect.stringContaining('token-sidecar.yaml is valid: 1 route, 0 credentials\n'),
  })
})

test('file names in a configuration are relative to its directory', async () => {
  const file = await writeConfig(`credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { file: client-secret } }
${VALID.replace('credential: none', 'credential: corp')}`)
  await copyFile('package.json', `${dirname(file)}/other`)
  expect(await runProgram(['check', '-c', file])).toMatchObject({ code: 3 })
  await copyFile('.gitignore', `${dirname(file)}/client-secret`)
  const { err } = await runProgram(['check', '-c', file])
  expect(err).toContain('expected a secret of printable ASCII characters on one line')
})

test.for([
  ['maps', 'a: &a { b: *a, c: *a, d: *a, e: *a, f: *a, g: *a, h: *a, i: *a }\n'],
  ['lists', 'a: &a [*a, *a, *a, *a, *a, *a, *a, *a]\n'],
] as const)('recursive YAML %s are rejected at once', async ([, yaml]) => {
  const file = await writeConfig(yaml)
  expect(await runProgram(['check', '-c', file], { timeoutMs: 10_000 })).toMatchObject({ code: 3 })
})

/** An installed Node of an unsupported version, if there is one. */
const OLD_NODE = [process.env['npm_node_execpath'] ?? '', ...findPrograms('node')]
  .filter((path) => path !== '')
  .find((path) => unsupportedNode(versionOf(path)) !== undefined)

function versionOf(node: string): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' }).trim().replace('v', '')
}

test.skipIf(OLD_NODE === undefined && MAY_SKIP)(
  'an unsupported Node version is rejected with one sentence (skipped without an old Node)',
  async () => {
    const node = OLD_NODE ?? 'an old node'
    for (const args of [['check'], ['--version'], ['--bogus']]) {
      const { code, out, err } = await runProgram(args, { node })
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toBe(`${unsupportedNode(versionOf(node))}\n`)
    }
  },
)
