import { createServer } from 'node:https'
import { expect, test } from 'vitest'
import { createAuthority } from '../../helpers/certificates.ts'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { fileWith } from '../../helpers/credential-call.ts'
import { startEgressProxy } from '../../helpers/egress-proxy.ts'
import { portOf, startListening, startServer } from '../../helpers/servers.ts'

/** A configuration with one route to `upstream` through a proxy. */
async function configFile(upstream: string, proxy: unknown, tls: unknown = {}): Promise<string> {
  const route = {
    name: 'orders',
    match: { path: '/orders' },
    credential: 'none',
    upstream,
    proxy,
    tls,
  }
  return await writeConfig(
    `forward: { mode: pass, proxy: 'http://forward.invalid:3128' }\nroutes: ${JSON.stringify([route])}\n`,
  )
}

const PROXY = {
  url: 'http://proxy.invalid:3128',
  username: 'user-canary',
  password: { value: 'password-canary' },
}

test('explain and check show the proxy of a route, and neither its user name nor its password', async () => {
  const file = await configFile('https://orders.example.com', PROXY)
  const explained = await runCommand(['explain', 'GET', '/orders', '-c', file])
  expect(explained.out).toContain('\n  proxy       http://proxy.invalid:3128\n')
  const checked = await runCommand(['check', '-c', file])
  expect(checked.out).toContain('→ https://orders.example.com through http://proxy.invalid:3128 ')
  const json = await runCommand(['explain', 'GET', '/orders', '--json', '-c', file])
  expect(JSON.parse(json.out)).toMatchObject({
    outcome: 'routed',
    proxy: 'http://proxy.invalid:3128',
  })
  const report = await runCommand(['check', '--json', '-c', file])
  expect(JSON.parse(report.out)).toMatchObject({
    plan: { routes: [{ proxy: 'http://proxy.invalid:3128' }] },
  })
  for (const { out, err } of [explained, checked, json, report]) {
    expect(out + err).not.toContain('canary')
  }
})

test('explain shows the proxy for requests without a route', async () => {
  const file = await configFile('https://orders.example.com', 'none')
  for (const url of ['http://elsewhere.example/', 'https://elsewhere.example/']) {
    const { code, out } = await runCommand(['explain', 'GET', url, '-c', file])
    expect(code).toBe(0)
    expect(out).toContain(
      '"forward: pass" forwards it without a token through the proxy http://forward.invalid:3128\n',
    )
  }
})

test('check --live connects to an https upstream through the proxy', async () => {
  const proxy = await startEgressProxy({ credentials: () => 'app:secret' })
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('api.invalid', ['api.invalid'])
  const server = createServer({ cert: certificate, key }, (_req, res) => void res.end())
  await startListening(server)
  const authorityOfApi = `api.invalid:${portOf(server)}`
  const file = await configFile(
    `https://${authorityOfApi}`,
    { url: proxy.url, username: 'app', password: { value: 'secret' } },
    { ca: { file: await fileWith(authority.certificate) } },
  )
  const { code, out } = await runCommand(['check', '--live', '--json', '-c', file])
  expect(JSON.parse(out)).toMatchObject({
    upstreams: [{ proxy: proxy.url, connected: { tls: { version: 'TLSv1.3' } }, error: null }],
  })
  expect(code).toBe(0)
  expect(proxy.targets).toEqual([`CONNECT ${authorityOfApi}`])
  const text = await runCommand(['check', '--live', '-c', file])
  expect(text.out).toContain(`proxy       ${proxy.url}`)
})

test('check --live connects to the proxy of an http upstream', async () => {
  const proxy = await startEgressProxy()
  const file = await configFile('http://api.invalid', proxy.url)
  const { out } = await runCommand(['check', '--live', '--json', '-c', file])
  expect(JSON.parse(out)).toMatchObject({
    upstreams: [{ proxy: proxy.url, connected: { tls: null }, error: null }],
  })
})

test.for(['http', 'https'] as const)(
  'check --live names a proxy that does not carry connections to an %s upstream',
  async (scheme) => {
    const api = new URL(await startServer((_req, res) => void res.end()))
    const file = await configFile(`${scheme}://localhost:${api.port}`, 'http://127.0.0.1:1')
    const { code, out } = await runCommand(['check', '--live', '--json', '-c', file])
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({
      upstreams: [
        {
          connected: null,
          error: `Cannot reach "${scheme}://localhost:${api.port}": cannot connect to the proxy "127.0.0.1:1": connection refused`,
        },
      ],
    })
  },
)
