import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createAuthority, createSelfSigned } from '../../helpers/certificates.ts'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { portOf, startListening, startServer } from '../../helpers/servers.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

const authority = await createAuthority()
const valid = await authority.issue('api', ['localhost', '127.0.0.1'])
const misnamed = await authority.issue('other', ['other.example'])
const client = await authority.issue('client', ['client.example'])

const VALID = { cert: valid.certificate, key: valid.key }

async function startTls(options: object): Promise<string> {
  const server: Server = createServer(options, (_req, res) => void res.end())
  await startListening(server)
  return `https://localhost:${portOf(server)}`
}

async function files(): Promise<{ ca: string; clientTls: string }> {
  const path = await temporaryDirectory()
  await writeFile(join(path, 'ca.pem'), authority.certificate)
  await writeFile(join(path, 'client.pem'), client.certificate)
  await writeFile(join(path, 'client.key'), client.key)
  const ca = `ca: { file: ${path}/ca.pem }`
  return {
    ca,
    clientTls: `${ca}, client: { certificate: { file: ${path}/client.pem }, key: { file: ${path}/client.key } }`,
  }
}

/** The `upstreams` of `check --live --json`, one for each pair of origin and TLS settings. */
async function probed(
  ...upstreams: readonly (readonly [url: string, tls: string, http2?: string])[]
) {
  const routes = upstreams.map(
    ([url, tls, http2 = 'auto'], index) =>
      `  - { name: r${index}, match: { path: /r${index} }, upstream: '${url}', credential: none, http2: ${http2}, tls: { ${tls} } }\n`,
  )
  const file = await writeConfig(`routes:\n${routes.join('')}`)
  const { code, out } = await runCommand(['check', '--live', '--json', '-c', file])
  const { upstreams: reported }: { upstreams: { error: string | null }[] } = JSON.parse(out)
  return { code, upstreams: reported, errors: reported.map(({ error }) => error) }
}

test('check --live shows the TLS version of an upstream that it connected to', async () => {
  const { ca } = await files()
  const { code, upstreams } = await probed([await startTls(VALID), ca])
  expect(code).toBe(0)
  expect(upstreams).toMatchObject([
    {
      routes: ['r0'],
      connected: {
        tls: { version: 'TLSv1.3', certificateExpiresAt: expect.stringMatching(/^\d{4}-.*Z$/) },
      },
      error: null,
    },
  ])
})

test('check --live shows connection failures with established phrases, and exits with 1', async () => {
  const { ca } = await files()
  const own = await createSelfSigned('localhost')
  const gone = createTcpServer()
  gone.listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const closed = portOf(gone)
  gone.close()
  const plain = await startServer((_req, res) => void res.end())
  const reset = createTcpServer((socket) => void socket.resetAndDestroy())
  reset.listen(0, '127.0.0.1')
  await once(reset, 'listening')
  onTestFinished(() => void reset.close())
  const { code, errors } = await probed(
    [`http://127.0.0.1:${closed}`, ''],
    ['http://nobody.invalid', ''],
    [await startTls(VALID), ''],
    [await startTls({ cert: misnamed.certificate, key: misnamed.key }), ca],
    [await startTls({ cert: own.certificate, key: own.key }), ca],
    [plain.replace('http:', 'https:'), ca],
    [`https://127.0.0.1:${portOf(reset)}`, ca],
    [await startTls({ ...VALID, maxVersion: 'TLSv1.2' }), `${ca}, minVersion: TLSv1.3`],
  )
  expect(code).toBe(1)
  expect(errors).toEqual([
    'connection refused',
    expect.stringMatching(/^(?:DNS lookup failed: no such host|temporary DNS failure)$/),
    expect.stringMatching(/^certificate signed by an unknown authority/),
    expect.stringMatching(/^certificate is not valid for this host name/),
    expect.stringMatching(/^self-signed certificate/),
    'the server does not speak TLS on this port',
    'connection reset by peer',
    expect.stringMatching(/TLS version|handshake/),
  ])
})

test('check --live names the protocol that was negotiated', async () => {
  const { ca } = await files()
  const url = await startTls({ ...VALID, ALPNProtocols: ['h2', 'http/1.1'] })
  const { upstreams } = await probed([url, ca], [url, ca, 'never'], [url, ca, 'always'])
  expect(upstreams).toMatchObject(
    ['h2', 'http/1.1', 'h2'].map((protocol) => ({ connected: { tls: { protocol } } })),
  )
})

test('check --live reports a server that does not negotiate the HTTP/2 that a route requires', async () => {
  const { ca } = await files()
  const url = await startTls({ ...VALID, ALPNProtocols: ['http/1.1'] })
  const { code, errors } = await probed([url, ca, 'always'])
  expect(code).toBe(1)
  expect(errors).toEqual([expect.stringContaining('HTTP/2 is not negotiated')])
})

test('check --live verifies the server name of the route', async () => {
  const { ca } = await files()
  const url = await startTls({ cert: misnamed.certificate, key: misnamed.key })
  expect((await probed([url, `${ca}, serverName: other.example`])).errors).toEqual([null])
})

test.for(['TLSv1.2', 'TLSv1.3'] as const)(
  'check --live presents the client certificate of the route over %s, and fails without one',
  async (maxVersion) => {
    const { ca, clientTls } = await files()
    const url = await startTls({
      ...VALID,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion,
    })
    const { errors } = await probed([url, clientTls], [url, ca])
    expect(errors).toEqual([null, expect.stringMatching(/certificate|reset/)])
  },
)

test('check --live shows many upstreams in the order of the routes', async () => {
  const urls = await Promise.all(
    Array.from({ length: 20 }, async () => await startServer((_req, res) => void res.end())),
  )
  const { upstreams } = await probed(...urls.map((url) => [url, ''] as const))
  expect(upstreams).toMatchObject(urls.map((origin) => ({ origin, error: null })))
})

test('check --live opens one connection for routes to one upstream, and sends no request', async () => {
  let requests = 0
  let connections = 0
  const server = createHttpServer((_req, res) => {
    requests += 1
    res.end()
  })
  server.on('connection', () => {
    connections += 1
  })
  const url = await startListening(server)
  const { upstreams } = await probed([`${url}/a`, ''], [`${url}/b`, ''])
  expect(upstreams).toMatchObject([{ origin: url, routes: ['r0', 'r1'], error: null }])
  expect({ requests, connections }).toEqual({ requests: 0, connections: 1 })
})

test('check --live shows each upstream with its routes and the result as text', async () => {
  const good = await startServer((_req, res) => void res.end())
  const file = await writeConfig(`routes:
  - { name: a, match: { path: /a }, upstream: '${good}', credential: none }
  - { name: b, match: { path: /b }, upstream: '${good}', credential: none }
`)
  const { code, out } = await runCommand(['check', '--live', '-c', file])
  expect(code).toBe(0)
  expect(out).toContain(`\n${good}\n  routes      a, b\n  connected   without TLS\n`)
})
