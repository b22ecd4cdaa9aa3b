import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { endpointConfig } from '../../helpers/config-text.ts'
import { sendToken, startTokenEndpoint } from '../../helpers/token-endpoint.ts'

const OTHERS = [
  'auth: { clientSecret: { file: /no/such/file } }',
  'auth: { clientSecret: { env: NOT_SET } }',
  'auth: { method: private_key_jwt, key: { file: /no/such/key.pem } }',
  'auth: { method: client_assertion_file, file: /no/such/assertion }',
  'auth: { method: none }\n    tls: { ca: { file: /no/such/ca.pem } }',
  'auth: { method: none }\n    audience: "${NOT_SET}"',
]

test.for(OTHERS)(
  'token does not need the files and variables of another credential: %s',
  async (lines) => {
    const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
    const config = endpointConfig({
      endpoint: endpoint.url,
      upstream: 'https://a.example',
    }).replace(
      'routes:',
      `  other:\n    issuer: https://login.example.com\n    clientId: x\n    ${lines}\nroutes:`,
    )
    const file = await writeConfig(config)
    expect(await runCommand(['token', 'corp', '--reveal', '-c', file])).toMatchObject({
      code: 0,
      out: 'a-token\n',
    })
    expect((await runCommand(['token', 'other', '-c', file])).code).toBe(3)
    expect(endpoint.requests).toHaveLength(1)
  },
)

test('token fails if a variable of its credential is not set', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const config = endpointConfig({ endpoint: endpoint.url, upstream: 'https://a.example' })
  for (const text of [
    config.replace('scopes: [orders.read]', 'audience: "${NOT_SET}"'),
    `x-audience: &audience "\${NOT_SET}"\n${config.replace('scopes: [orders.read]', 'audience: *audience')}`,
    `defaults: { credentials: { audience: "\${NOT_SET}" } }\n${config}`,
  ]) {
    const { code, err } = await runCommand(['token', 'corp', '-c', await writeConfig(text)])
    expect(code).toBe(3)
    expect(err).toContain('expected the environment variable NOT_SET to be set')
  }
  expect(endpoint.requests).toEqual([])
})
