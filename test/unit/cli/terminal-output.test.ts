import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { endpointConfig, forwardConfig } from '../../helpers/config-text.ts'
import { startServer } from '../../helpers/servers.ts'
import { sendToken, startTokenEndpoint } from '../../helpers/token-endpoint.ts'

/** Clears the screen, reverses the text direction, hides a character, colours, and begins a line. */
const HOSTILE = 'a\u001B[2J\u009B1m\u202E\u200B\u2066\u2028\u001B[31m\nb'
const RAW = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** An unsigned token with these claims. */
function tokenWith(claims: object): string {
  return `${part({ alg: 'ES256' })}.${part(claims)}.c2lnbmF0dXJl`
}

async function configWithToken(claims: object): Promise<string> {
  const upstream = await startServer((_req, res) => void res.end())
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: tokenWith(claims), scope: HOSTILE }),
  )
  return await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream }))
}

test.for([
  ['token', 'corp'],
  ['check', '--live'],
  ['check', '--live', '--json'],
])('%j escapes control characters of a token and of a server', async (command) => {
  const claims = { iss: HOSTILE, aud: [HOSTILE], sub: { [HOSTILE]: HOSTILE }, scope: HOSTILE }
  const file = await configWithToken(claims)
  for (const isTerminal of [false, true]) {
    const { code, out } = await runCommand([...command, '-c', file], { NO_COLOR: '1' }, isTerminal)
    expect(code).toBe(0)
    expect(out).not.toMatch(RAW)
    expect(out).toContain('\\u001b[2J\\u009b1m\\u202e\\u200b\\u2066\\u2028\\u001b[31m')
  }
})

test('escape sequences of a server are escaped on a terminal with colours', async () => {
  const file = await configWithToken({ iss: HOSTILE })
  const { out } = await runCommand(['check', '--live', '-c', file], {}, true)
  expect(out).toContain('\u001B[32mcorp\u001B[39m')
  expect(out).not.toContain('\u001B[31m')
})

test('explain escapes control characters of the URL', async () => {
  const file = await writeConfig(forwardConfig('https://a.example'))
  const { out } = await runCommand(['explain', 'GET', `/x${HOSTILE}`, '-c', file])
  expect(out).toMatch(/^GET \/xa\\u001b\[2J/)
  expect(out).not.toMatch(RAW)
})

test('health escapes control characters of the response', async () => {
  const admin = await startServer((_req, res) => void res.end(HOSTILE))
  const file = await writeConfig(
    `admin: ${new URL(admin).host}\n${forwardConfig('https://a.example')}`,
  )
  const { out } = await runCommand(['health', '-c', file])
  expect(out).toContain('\\u202e')
  expect(out).not.toMatch(RAW)
})

test.for([
  ['check', '-c', HOSTILE],
  ['init', HOSTILE, '--upstream', HOSTILE],
  ['init', `/no/such/${HOSTILE}/file`],
  [HOSTILE],
  ['check', `--${HOSTILE}`],
  ['token', HOSTILE],
])('%j escapes what the command line says', async (args) => {
  const { out, err } = await runCommand(args)
  expect(err).not.toBe('')
  expect(out + err).not.toMatch(RAW)
})

test.for([
  [1e300, '1e+300 (not a date)'],
  [-1e300, '-1e+300 (not a date)'],
  [8_640_000_000_001, '8640000000001 (not a date)'],
  [8_640_000_000_000, '+275760-09-13T00:00:00.000Z'],
  [0, '1970-01-01T00:00:00.000Z'],
] as const)('the claim exp of %d is shown as %s', async ([exp, shown]) => {
  const { code, out } = await runCommand(['token', 'corp', '-c', await configWithToken({ exp })])
  expect(code).toBe(0)
  expect(out).toContain(`  exp         ${shown}\n`)
})
