import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'

const CONFIG = `
listen: unix:/no/such/directory/app.sock
credentials:
  corp:
    issuer: https://login.example.com
    clientId: a
    auth: { clientSecret: { file: no-such-file } }
    tls: { ca: { file: no-such-ca.pem } }
  partner:
    issuer: https://login.partner.example
    clientId: b
    auth: { clientSecret: { env: NOT_SET } }
routes:
  - { name: one, match: { path: /one }, upstream: 'https://one.example.com', credential: corp }
  - { name: two, match: { path: /two }, upstream: 'https://two.example.com', credential: partner }
`

test('check --offline needs no secrets, files or directories', async () => {
  const file = await writeConfig(CONFIG)
  expect((await runCommand(['check', '-c', file])).code).toBe(3)
  const { code, out, err } = await runCommand(['check', '--offline', '-c', file])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('is valid: 2 routes, 2 credentials\n')
  expect(out).toContain('→ https://two.example.com (partner)\n')
})

const VARIABLES = CONFIG.replace('https://one.example.com', '${UPSTREAM}')
  .replace('name: one', 'name: "${NAME}"')
  .replace('credential: corp }', 'credential: "${CREDENTIAL}", timeouts: { idle: "${IDLE}" } }')
  .replace('clientId: a', 'clientId: "${CLIENT}-x"')

test('check --offline needs no variables, and lists the settings that it did not check', async () => {
  const file = await writeConfig(VARIABLES)
  const { code, out, err } = await runCommand(['check', '--offline', '-c', file])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(
    /\nNot checked, because variables are not set: credentials\.corp\.clientId, routes\[0\]\.name, routes\[0\]\.upstream, routes\[0\]\.credential, routes\[0\]\.timeouts\.idle\n$/,
  )
  const json = JSON.parse((await runCommand(['check', '--offline', '--json', '-c', file])).out)
  expect(json).toMatchObject({ valid: true, problems: [], plan: null })
  expect(json.unchecked).toHaveLength(5)
})

test('check --offline expands variables that are set', async () => {
  const file = await writeConfig(VARIABLES)
  const { code, err } = await runCommand(['check', '--offline', '-c', file], { IDLE: 'soon' })
  expect(code).toBe(3)
  expect(err).toContain('routes[0].timeouts.idle: expected a duration')
})

test('check --offline reports all other problems', async () => {
  const file = await writeConfig(
    VARIABLES.replace('issuer: https://login.p', 'isuer: https://login.p'),
  )
  const { code, err } = await runCommand(['check', '--offline', '-c', file])
  expect(code).toBe(3)
  expect(err).toContain(': 1 problem\n')
  expect(err).toContain('unknown key "isuer"; did you mean "issuer"?')
})

test('check --offline and --live exclude each other', async () => {
  expect((await runCommand(['check', '--offline', '--live'])).code).toBe(2)
})
