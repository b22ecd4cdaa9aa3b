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

test('check reports a valid configuration as valid', async () => {
  const file = await writeConfig(VALID)
  expect(await runCommand(['check', '-c', file], ENV)).toEqual({
    code: 0,
    out: `${file} is valid: 1 route, 1 credential
  listen      127.0.0.1:8080
  admin       127.0.0.1:9090

  orders  /orders  → https://orders.example.com (corp)
`,
    err: '',
  })
})

test('check prints the number of routes and credentials in the singular or plural', async () => {
  const routes = ['a', 'b'].map(
    (name) =>
      `  - { name: ${name}, match: { path: /${name} }, upstream: 'https://a.example', credential: none }\n`,
  )
  const file = await writeConfig(`routes:\n${routes.join('')}`)
  const { out } = await runCommand(['check', '-c', file])
  expect(out).toMatch(/^\S+ is valid: 2 routes, 0 credentials\n/)
})

test('check prints each problem as FILE:LINE:COLUMN on standard error', async () => {
  const file = await writeConfig(
    VALID.replace('clientId: a', 'clientId: 7').replace('credential: corp', 'credential: crop'),
  )
  expect(await runCommand(['check', '-c', file], ENV)).toEqual({
    code: 3,
    out: '',
    err: [
      `Cannot use the configuration "${file}": 2 problems\n`,
      `  ${file}:4:15 credentials.corp.clientId: expected a string, got the number 7; put it in quotes: "7"\n`,
      `  ${file}:10:17 routes[0].credential: expected the name of a credential, or "none", got "crop"; did you mean "corp"?\n`,
    ].join(''),
  })
})

test('check prints "1 problem" in the singular', async () => {
  const { err } = await runCommand(['check', '-c', await writeConfig('routes: []')])
  expect(err).toMatch(/: 1 problem\n/)
})

test('check reports a missing secret file as a problem', async () => {
  const file = await writeConfig(VALID)
  expect(await runCommand(['check', '-c', file])).toMatchObject({
    code: 3,
    err: expect.stringContaining(`${file}:5:34 credentials.corp.auth.clientSecret.env: expected`),
  })
})

test('check prints a warning, and the configuration stays valid', async () => {
  const file = await writeConfig(VALID.replace('env: CORP_SECRET', 'value: s3cret'))
  const { code, out, err } = await runCommand(['check', '-c', file])
  expect(code).toBe(0)
  expect(out).toContain(`${file} is valid: 1 route, 1 credential, 1 warning\n`)
  expect(err).toMatch(/^\S+:5:36 credentials\.corp\.auth\.clientSecret\.value: .* \(warning\)\n$/)
  expect(err).not.toContain('s3cret')
})

test('check names a missing configuration file, and how to create one', async () => {
  expect(await runCommand(['check', '-c', '/no/such/file.yaml'])).toEqual({
    code: 3,
    out: '',
    err:
      'Cannot read the configuration "/no/such/file.yaml": no such file\n' +
      'Set its path with -c FILE, or create one with "token-sidecar init".\n',
  })
})

test('check rejects a directory as configuration file', async () => {
  const directory = dirname(await writeConfig(VALID))
  expect(await runCommand(['check', '-c', directory])).toMatchObject({
    code: 3,
    err: expect.stringContaining('it is a directory'),
  })
})

test('-c takes precedence over TOKEN_SIDECAR_CONFIG', async () => {
  const file = await writeConfig(VALID)
  const env = { ...ENV, TOKEN_SIDECAR_CONFIG: file }
  expect(await runCommand(['check'], env)).toMatchObject({ code: 0 })
  const { err } = await runCommand(['check', '-c', 'other.yaml'], env)
  expect(err).toContain('"other.yaml"')
})

test('check prints listeners and routes', async () => {
  const file = await writeConfig(`${VALID}
  - { name: b, match: { host: b.example, methods: [GET] }, upstream: 'https://b.example', credential: none }
  - { name: c, match: { host: c.example, path: /c }, upstream: 'https://c.example', credential: corp }
`)
  const { out } = await runCommand(['check', '-c', file], ENV)
  expect(out).toBe(`${file} is valid: 3 routes, 1 credential
  listen      127.0.0.1:8080
  admin       127.0.0.1:9090

  orders  /orders        → https://orders.example.com (corp)
  b       GET b.example  → https://b.example (no token)
  c       c.example/c    → https://c.example (corp)
`)
})

test('check prints the name and address of each of several listeners', async () => {
  const auth = 'auth: { basic: [{ username: a, password: { env: CORP_SECRET } }] }'
  const listen = `[{ name: app, address: "127.0.0.1:0", ${auth} }, { name: local, address: "[::1]:8081" }]`
  const file = await writeConfig(VALID.replace(/^listen: .*\n/m, '') + `\nlisten: ${listen}\n`)
  const { out } = await runCommand(['check', '-c', file], ENV)
  expect(out).toContain(`
  listen      app 127.0.0.1:0 (password)
  listen      local [::1]:8081
  admin `)
})

test('check prints the listeners of a route, and warns about a listener without a route', async () => {
  const listen = '[{ name: app, address: "127.0.0.1:0" }, { name: local, address: "[::1]:8081" }]'
  const text = VALID.replace(/^listen: .*\n/m, '').replaceAll(
    'credential: corp',
    'credential: corp\n    listeners: [app]',
  )
  const file = await writeConfig(`${text}\nlisten: ${listen}\n`)
  const { out, err } = await runCommand(['check', '-c', file], ENV)
  expect(out).toContain('orders  /orders  → https://orders.example.com (corp) on app\n')
  expect(err).toContain('listen[1]: no route is for this listener (warning)')
})

const COLOUR = new RegExp(String.raw`\u001B\[\d+m`, 'g')

test('check shows an excerpt with the key of each problem on a terminal, but no value', async () => {
  const file = await writeConfig(
    VALID.replace('clientId: a', 'clientId: 7').replace('credential: corp', 'credental: s3cret'),
  )
  const { code, out, err } = await runCommand(['check', '-c', file], ENV, true)
  expect({ code, out }).toEqual({ code: 3, out: '' })
  expect(err.replaceAll(COLOUR, '')).toBe(`Cannot use the configuration "${file}": 2 problems
  ${file}:4:15 credentials.corp.clientId: expected a string, got the number 7; put it in quotes: "7"
      4 |     clientId: …
        |               ^
  ${file}:10:5 routes[0]: unknown key "credental"; did you mean "credential"?
      10 |     credental: …
         |     ^^^^^^^^^
`)
})

test.for(['check', 'explain GET /orders/7', 'explain GET /none'])(
  '%s is coloured on a terminal only, and not with NO_COLOR or TERM=dumb',
  async (command) => {
    const file = await writeConfig(VALID.replace('env: CORP_SECRET', 'value: s3cret'))
    const args = [...command.split(' '), '-c', file]
    const plain = await runCommand(args, {}, false)
    expect(plain.out + plain.err).not.toMatch(COLOUR)
    const coloured = await runCommand(args, {}, true)
    expect(coloured.out).toMatch(COLOUR)
    expect(coloured.out.replaceAll(COLOUR, '')).toBe(plain.out)
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const refused = await runCommand(args, env, true)
      expect(refused.out).toBe(plain.out)
      expect(refused.err).not.toMatch(COLOUR)
    }
    // An empty variable is none (https://no-color.org).
    expect(await runCommand(args, { NO_COLOR: '' }, true)).toEqual(coloured)
  },
)

test('check marks a warning on a terminal', async () => {
  const file = await writeConfig(VALID.replace('env: CORP_SECRET', 'value: s3cret'))
  const { err } = await runCommand(['check', '-c', file], {}, true)
  expect(err.replaceAll(COLOUR, '')).toMatch(/ \(warning\)\n {6}5 \| {5}auth: …\n {8}\| {11}\^\n$/)
  expect(err).not.toContain('s3cret')
})
