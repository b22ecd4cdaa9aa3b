import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runCommand } from '../../helpers/cli.ts'

const PACKAGE: { version?: unknown } = JSON.parse(readFileSync('package.json', 'utf8'))

const COMMANDS = [
  'run',
  'exec',
  'check',
  'token',
  'explain',
  'doctor',
  'ca',
  'schema',
  'init',
  'health',
]

test.for(['--version', '-V'])('%s prints the version', async (option) => {
  expect(await runCommand([option])).toEqual({
    code: 0,
    out: `${String(PACKAGE.version)}\n`,
    err: '',
  })
})

test.for(['--help', '-h'])(
  '%s lists the commands, the environment and the exit codes',
  async (option) => {
    const { code, out, err } = await runCommand([option])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const commands = [...out.matchAll(/^ {2}(?<name>[a-z]+) /gm)].map(
      ({ groups }) => groups?.['name'],
    )
    expect(commands).toEqual(COMMANDS)
    expect(out).toContain('TOKEN_SIDECAR_CONFIG')
    expect([...out.matchAll(/^ {2}(\d) {2}/gm)].map(([, digit]) => digit)).toEqual([
      '0',
      '1',
      '2',
      '3',
    ])
  },
)

test.for(COMMANDS)('%s --help lists its options', async (command) => {
  const { code, out, err } = await runCommand([command, '--help'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(new RegExp(`^Usage: token-sidecar ${command} `))
})

test('schema prints the JSON Schema', async () => {
  const schema = readFileSync('config.schema.json', 'utf8')
  expect(await runCommand(['schema'])).toEqual({ code: 0, out: schema, err: '' })
})

test.for([
  { args: ['chekc'], says: ['chekc', 'check'] },
  { args: ['chekc', '-c', 'a.yaml'], says: ['chekc', 'check'] },
  { args: ['explian', 'GET', '/'], says: ['explian', 'explain'] },
  { args: ['validate'], says: ['validate'] },
  { args: ['help'], says: ['help'] },
  { args: ['--bogus'], says: ["unknown option '--bogus'"] },
  { args: ['check', '--confg', 'a.yaml'], says: ["unknown option '--confg'", '--config'] },
  { args: ['check', '-c'], says: ["'-c, --config <file>'", 'missing'] },
  { args: ['check', 'a.yaml'], says: ['too many arguments'] },
  { args: ['explain', 'GET'], says: ["missing required argument 'url'"] },
  { args: ['init', 'a.yaml', 'b.yaml'], says: ['too many arguments'] },
  { args: ['schema', '-c', 'a.yaml'], says: ["unknown option '-c'"] },
  { args: ['exec', 'curl', '-s'], says: ['expected "--" before the command'] },
  { args: ['exec', '-c', 'a.yaml', '--'], says: ['no command after "--"'] },
  { args: ['exec', '--ready-timeout', '5', '--', 'true'], says: ['expected a duration'] },
  { args: ['doctor', '--pid', '0'], says: ['expected the number of a process'] },
  { args: ['doctor', '--pid', '1', '--environment', 'a.env'], says: ['cannot be used with'] },
  { args: ['exec', '--env=yaml'], says: ['Allowed choices are shell, dotenv'] },
])(
  'the arguments $args are a usage error: exit code 2, on standard error',
  async ({ args, says }) => {
    const { code, out, err } = await runCommand(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    for (const part of says) expect(err).toContain(part)
  },
)

test('an unknown command is not treated as an argument of run', async () => {
  const { err } = await runCommand(['chekc'])
  expect(err).toContain('unknown command')
  expect(err).not.toContain("'run'")
})
