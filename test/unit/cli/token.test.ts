import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { endpointConfig, ordersConfig } from '../../helpers/config-text.ts'
import { CLIENT_ID, RESOURCE, startIssuer, startServer } from '../../helpers/servers.ts'
import { sendToken, startTokenEndpoint } from '../../helpers/token-endpoint.ts'

const UPSTREAM = 'http://127.0.0.1:1'

test('token shows the properties of a token, but not the token', async () => {
  const issuer = await startIssuer()
  const file = await writeConfig(ordersConfig({ issuer: issuer.issuer, upstream: UPSTREAM }))
  const { code, out, err } = await runCommand(['token', 'corp', '-c', file])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^corp\n {2}type {8}Bearer\n {2}lifetime {4}(?:299|300) s, until /)
  expect(out).toContain(`  iss         ${issuer.issuer}\n`)
  expect(out).toContain(`  aud         ${RESOURCE}\n`)
  expect(out).toContain(`  client_id   ${CLIENT_ID}\n`)
  expect(out).toContain('  scope       orders.read\n')
  expect(out).not.toContain('eyJ')
})

test('token --reveal prints the token, and nothing else', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  expect(await runCommand(['token', 'corp', '--reveal', '-c', file])).toEqual({
    code: 0,
    out: 'a-token\n',
    err: '',
  })
})

test('token shows that a token is opaque', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  const { out } = await runCommand(['token', 'corp', '-c', file])
  expect(out).toContain('the token is opaque')
  expect(out).not.toContain('a-token')
})

test('token explains an error response on standard error', async () => {
  const issuer = await startIssuer({ clients: [] })
  const file = await writeConfig(ordersConfig({ issuer: issuer.issuer, upstream: UPSTREAM }))
  const { code, out, err } = await runCommand(['token', 'corp', '-c', file])
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toContain('  failed      token_rejected: Cannot get a token from')
  expect(err).toContain('  advice      The server does not know the client')
})

test('token suggests a credential with a similar name', async () => {
  const file = await writeConfig(
    endpointConfig({ endpoint: 'http://127.0.0.1:1/token', upstream: UPSTREAM }),
  )
  const { code, err } = await runCommand(['token', 'crop', '-c', file])
  expect(code).toBe(2)
  expect(err).toContain('did you mean "corp"?')
})

test('token escapes control characters in text of the server', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { scope: 'a\u001B[2Jb' }),
  )
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  const { out } = await runCommand(['token', 'corp', '-c', file])
  expect(out).toContain('  granted     a\\u001b[2Jb\n')
})

test('check --live fetches each token that a route needs, and shows which failed', async () => {
  const endpoint = await startTokenEndpoint(({ body }, res) => {
    if (new URLSearchParams(body).get('scope') === 'orders.read') {
      sendToken(res)
      return
    }
    res.writeHead(400, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ error: 'invalid_scope' }))
  })
  const upstream = await startServer((_req, res) => void res.end())
  const config = endpointConfig({ endpoint: endpoint.url, upstream })
  const good = await writeConfig(config)
  const right = await runCommand(['check', '--live', '-c', good])
  expect(right.code).toBe(0)
  expect(right.out).toMatch(/ is valid: 1 route, 1 credential\n[^]*\n\ncorp\n {2}type {8}Bearer\n/)

  const bad = await writeConfig(`${config}
  - { name: more, match: { path: /more }, upstream: '${UPSTREAM}', credential: corp, scopes: [more] }
`)
  const wrong = await runCommand(['check', '--live', '-c', bad])
  expect(wrong.code).toBe(1)
  expect(wrong.out).toContain('corp\n  type        Bearer\n')
  expect(wrong.out).toContain('corp/more\n  failed      token_rejected: ')
  expect(wrong.out).toContain('  advice      A scope is unknown')
})

test('check without --live sends no request', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const file = await writeConfig(endpointConfig({ endpoint: endpoint.url, upstream: UPSTREAM }))
  expect((await runCommand(['check', '-c', file])).code).toBe(0)
  expect(endpoint.requests).toHaveLength(0)
})
