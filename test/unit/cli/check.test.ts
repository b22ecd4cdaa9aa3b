import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'

const VALID = `credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { env: CORP_SECRET } }
routes:
  - name: orders
    match: { path: /orders }
    upstream: https://orders.example.com
    credential: corp
`
const ENV = { CORP_SECRET: 's3cret' }

test('a configuration that is right is said to be', async () => {
  const file = await writeConfig(VALID)
  expect(await runCommand(['check', '-c', file], ENV)).toEqual({
    code: 0,
    out: `${file} is valid: 1 route, 1 credential\n`,
    err: '',
  })
})

test('routes and credentials are counted as a person would', async () => {
  const routes = ['a', 'b'].map(
    (name) =>
      `  - { name: ${name}, match: { path: /${name} }, upstream: 'https://a.example', credential: none }\n`,
  )
  const file = await writeConfig(`routes:\n${routes.join('')}`)
  const { out } = await runCommand(['check', '-c', file])
  expect(out).toBe(`${file} is valid: 2 routes, 0 credentials\n`)
})

test('every problem is a line on standard error that an editor can jump to', async () => {
  const file = await writeConfig(
    VALID.replace('clientId: a', 'clientId: 7').replace('credential: corp', 'credential: crop'),
  )
  expect(await runCommand(['check', '-c', file], ENV)).toEqual({
    code: 3,
    out: '',
    err: [
      `Cannot use the configuration "${file}": 2 problems\n`,
      `  ${file}:4:15 credentials.corp.clientId: expected a string, got the number 7\n`,
      `  ${file}:10:17 routes[0].credential: expected the name of a credential, or "none", got "crop"; did you mean "corp"?\n`,
    ].join(''),
  })
})

test('one problem is one problem', async () => {
  const { err } = await runCommand(['check', '-c', await writeConfig('routes: []')])
  expect(err).toMatch(/: 1 problem\n/)
})

test('a secret that is not there is a problem', async () => {
  const file = await writeConfig(VALID)
  expect(await runCommand(['check', '-c', file])).toMatchObject({
    code: 3,
    err: expect.stringContaining(`${file}:5:34 credentials.corp.auth.clientSecret.env: expected`),
  })
})

test('a warning is told, and the configuration is right', async () => {
  const file = await writeConfig(VALID.replace('env: CORP_SECRET', 'value: s3cret'))
  const { code, out, err } = await runCommand(['check', '-c', file])
  expect({ code, out }).toEqual({ code: 0, out: `${file} is valid: 1 route, 1 credential\n` })
  expect(err).toMatch(/^\S+:5:36 credentials\.corp\.auth\.clientSecret\.value: .* \(warning\)\n$/)
  expect(err).not.toContain('s3cret')
})

test('a file that is not there is named, with what to do', async () => {
  expect(await runCommand(['check', '-c', '/no/such/file.yaml'])).toEqual({
    code: 3,
    out: '',
    err:
      'Cannot read the configuration "/no/such/file.yaml": no such file\n' +
      'Name it with -c FILE, or write one to start from with "token-sidecar init".\n',
  })
})

test('a directory is no configuration', async () => {
  const directory = dirname(await writeConfig(VALID))
  expect(await runCommand(['check', '-c', directory])).toMatchObject({
    code: 3,
    err: expect.stringContaining('it is a directory'),
  })
})

test('the file may be named by the environment, and -c goes before it', async () => {
  const file = await writeConfig(VALID)
  const env = { ...ENV, TOKEN_SIDECAR_CONFIG: file }
  expect(await runCommand(['check'], env)).toMatchObject({ code: 0 })
  const { err } = await runCommand(['check', '-c', 'other.yaml'], env)
  expect(err).toContain('"other.yaml"')
})
