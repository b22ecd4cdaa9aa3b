import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { createAuthority } from '../helpers/certificates.ts'
import { startEgressProxy } from '../helpers/egress-proxy.ts'
import { metric } from '../helpers/metrics.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/*
 * The upstream could be reached directly, so that the tests show that a failure of the proxy never leads to a direct
 * connection.
 */

/** An https API, and how many connections it has accepted. */
async function startTlsApi() {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('localhost', ['localhost'])
  const server = createTlsServer({ cert: certificate, key }, (_req, res) => void res.end('ok'))
  let connections = 0
  server.on('connection', () => {
    connections += 1
  })
  await startListening(server)
  return {
    origin: `https://localhost:${portOf(server)}`,
    ca: await fileWith(authority.certificate),
    connections: () => connections,
  }
}

type Lines = Readonly<Record<string, unknown>>

async function startRoute(route: Lines, clock?: Clock) {
  const lines = { name: 'all', match: { path: '/' }, credential: 'none', ...route }
  const yaml = `routes: ${JSON.stringify([lines])}\n`
  return await startSidecar(yaml, {}, '127.0.0.1:0', '127.0.0.1:0', clock)
}

const respond =
  (response: string) =>
  (socket: Duplex): void =>
    void socket.end(response)

/** What a proxy does with `CONNECT`, and the end of the failure's detail; PROXY is its name. */
const CONNECT_FAILURES: readonly {
  readonly what: string
  readonly onConnect: (socket: Duplex) => void
  readonly says: string
}[] = [
  {
    what: 'responds with 407',
    onConnect: respond('HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="a"\r\n\r\n'),
    says: 'the proxy PROXY requires a user name and a password (407)',
  },
  {
    what: 'responds with 407 and accepts Negotiate and NTLM alone',
    onConnect: respond(
      'HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM, Digest realm="basic"\r\n\r\n',
    ),
    says: 'the proxy PROXY does not accept Basic authentication (407)',
  },
  {
    what: 'responds with 407 and accepts Basic among others',
    onConnect: respond(
      'HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate, BASIC realm="a, b"\r\n\r\n',
    ),
    says: 'the proxy PROXY requires a user name and a password (407)',
  },
  {
    what: 'responds with 403',
    onConnect: respond('HTTP/1.1 403 Denied by policy 4711\r\n\r\n<html>'),
    says: 'the proxy PROXY refuses the connection: it responded to CONNECT with 403',
  },
  ...[502, 503, 504].map((status) => ({
    what: `responds with ${status}`,
    onConnect: respond(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`),
    says: `the proxy PROXY cannot reach the upstream: it responded to CONNECT with ${status}`,
  })),
  {
    what: 'redirects',
    onConnect: respond('HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n'),
    says: 'the proxy PROXY refuses the connection: it responded to CONNECT with 302',
  },
  {
    what: 'switches protocols',
    onConnect: respond('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
    says: 'the proxy PROXY refuses the connection: it responded to CONNECT with 101',
  },
  {
    what: 'sends something else than HTTP',
    onConnect: respond('SSH-2.0-OpenSSH_9.2\r\n'),
    says: 'the response of the proxy PROXY to CONNECT is not valid HTTP: it does not begin with a status line of HTTP/1',
  },
  {
    what: 'sends an invalid header section',
    onConnect: respond('HTTP/1.1 200 OK\r\nno field\r\n\r\n'),
    says: 'the response of the proxy PROXY to CONNECT is not valid HTTP: a line of its header section is no field',
  },
  {
    what: 'sends a header section without an end',
    onConnect: respond(`HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(20_000)}`),
    says: 'the response of the proxy PROXY to CONNECT is not valid HTTP: its header section is too large',
  },
  {
    what: 'sends interim responses without an end',
    onConnect: respond('HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_000)),
    says: 'the response of the proxy PROXY to CONNECT is not valid HTTP: its header section is too large',
  },
  {
    what: 'closes the connection',
    onConnect: (socket) => void socket.end(),
    says: 'the proxy PROXY closed the connection without a response to CONNECT',
  },
  {
    what: 'closes the connection within its response',
    onConnect: respond('HTTP/1.1 200 Conn'),
    says: 'the proxy PROXY closed the connection without a response to CONNECT',
  },
  {
    what: 'resets the connection',
    onConnect: (socket) => void socket.destroy(),
    says: 'the proxy PROXY closed the connection without a response to CONNECT',
  },
  {
    what: 'sends data ahead of the upstream',
    onConnect: (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
    says: 'the proxy PROXY sent data before the upstream could',
  },
]

test.for(CONNECT_FAILURES)(
  'a proxy that $what to CONNECT is named as the cause, once for each request',
  async ({ onConnect, says }) => {
    const proxy = await startEgressProxy({ onConnect })
    const { origin, ca, connections } = await startTlsApi()
    const sidecar = await startRoute({
      upstream: origin,
      tls: { ca: { file: ca } },
      proxy: proxy.url,
    })
    for (let i = 1; i <= 2; i += 1) {
      const response = await fetch(sidecar.proxyUrl)
      expect(response.status).toBe(502)
      expect(await response.json()).toMatchObject({
        code: 'upstream_proxy',
        detail: `Cannot reach "${origin}": ${says.replace('PROXY', `"${proxy.name}"`)}`,
      })
      expect(proxy.targets).toHaveLength(i)
    }
    expect(connections()).toBe(0)
    const labels = { route: 'all', code: 'upstream_proxy' }
    expect(await metric(sidecar, 'token_sidecar_request_failures_total', labels)).toBe(2)
    expect(await sidecar.logs()).not.toContain('Denied by policy 4711')
  },
)

test('a proxy that closes the tunnel during the TLS handshake is mentioned in the failure', async () => {
  const proxy = await startEgressProxy({
    onConnect: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.once('data', () => socket.destroy())
    },
  })
  const { origin, ca, connections } = await startTlsApi()
  const sidecar = await startRoute({
    upstream: origin,
    tls: { ca: { file: ca } },
    proxy: proxy.url,
  })
  const response = await fetch(sidecar.proxyUrl)
  expect(await response.json()).toMatchObject({
    code: 'upstream_reset',
    detail: expect.stringContaining('the tunnel through the proxy was closed during the TLS'),
  })
  expect(proxy.targets).toHaveLength(1)
  expect(connections()).toBe(0)
})

test('the certificate of the upstream is verified through the tunnel', async () => {
  const proxy = await startEgressProxy()
  const { origin } = await startTlsApi()
  const sidecar = await startRoute({ upstream: origin, proxy: proxy.url })
  const response = await fetch(sidecar.proxyUrl)
  expect(await response.json()).toMatchObject({
    code: 'upstream_tls',
    detail: `Cannot get a response from "${origin}": certificate signed by an unknown authority; "tls.ca" names the one to trust`,
  })
})

test.for([
  {
    what: 'is not resolved',
    url: () => Promise.resolve('http://proxy.invalid:3128'),
    says: /cannot connect to the proxy "proxy.invalid:3128": (?:DNS lookup failed: no such host|temporary DNS failure)$/,
  },
  {
    what: 'refuses connections',
    url: () => Promise.resolve('http://127.0.0.1:1'),
    says: /cannot connect to the proxy "127.0.0.1:1": connection refused$/,
  },
  {
    what: 'does not speak TLS on its port',
    url: async () => (await startEgressProxy()).url.replace('http:', 'https:'),
    says: /TLS connection to the proxy "127.0.0.1:\d+" failed: the server does not speak TLS on this port$/,
  },
])('a proxy that $what is named as the cause', async ({ url, says }) => {
  const { origin, ca, connections } = await startTlsApi()
  const api = await startServer((_req, res) => void res.end('ok'))
  const proxy = await url()
  for (const route of [{ upstream: origin, tls: { ca: { file: ca } } }, { upstream: api }]) {
    const sidecar = await startRoute({ ...route, proxy })
    const response = await fetch(sidecar.proxyUrl)
    expect(response.status).toBe(502)
    expect(await response.json()).toMatchObject({
      code: 'upstream_proxy',
      detail: expect.stringMatching(says),
    })
  }
  expect(connections()).toBe(0)
})

test.for([
  { what: 'the response to CONNECT', scheme: 'http', says: 'did not respond to CONNECT in time' },
  { what: 'the TLS handshake with the proxy', scheme: 'https', says: 'timed out' },
])('"timeouts.connect" covers $what', async ({ scheme, says }) => {
  const silent = createTcpServer((socket) => void socket.on('error', () => {}).resume())
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  const { origin, ca } = await startTlsApi()
  const sidecar = await startRoute({
    upstream: origin,
    tls: { ca: { file: ca } },
    proxy: `${scheme}://127.0.0.1:${portOf(silent)}`,
    timeouts: { connect: '200ms' },
  })
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'upstream_proxy',
    detail: expect.stringContaining(says),
  })
  await sidecar.close()
})

test('"timeouts.connect" covers the TLS handshake with the upstream through a tunnel', async () => {
  const proxy = await startEgressProxy({
    onConnect: (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\n'),
  })
  const { origin, ca } = await startTlsApi()
  const sidecar = await startRoute({
    upstream: origin,
    tls: { ca: { file: ca } },
    proxy: proxy.url,
    timeouts: { connect: '200ms' },
  })
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(504)
  expect(await response.json()).toMatchObject({ code: 'upstream_timeout' })
})

/** Files are not read again at an interval. */
const WITHOUT_INTERVALS: Clock = {
  ...systemClock,
  schedule: (delayMs, callback) =>
    delayMs >= 10_000 ? () => {} : systemClock.schedule(delayMs, callback),
}

const PASSWORD = 'proxy-canary-314159'

test.for(['https', 'http'] as const)(
  'a rejected password is a failure of the proxy for an %s upstream, and is shown nowhere',
  async (scheme) => {
    const proxy = await startEgressProxy({ credentials: () => 'app:another' })
    const { origin, ca } = await startTlsApi()
    let requests = 0
    const api = await startServer((_req, res) => {
      requests += 1
      res.end('ok')
    })
    const sidecar = await startRoute({
      ...(scheme === 'https' ? { upstream: origin, tls: { ca: { file: ca } } } : { upstream: api }),
      proxy: { url: proxy.url, username: 'app', password: { file: await fileWith(PASSWORD) } },
    })
    const response = await fetch(sidecar.proxyUrl)
    const problem = await response.text()
    expect(response.status).toBe(502)
    expect(response.headers.get('proxy-authenticate')).toBeNull()
    expect(JSON.parse(problem)).toMatchObject({
      code: 'upstream_proxy',
      detail: expect.stringContaining('rejects the user name or the password (407)'),
    })
    expect(requests).toBe(0)
    expect(proxy.targets).toHaveLength(1)
    const pages = await Promise.all(
      ['/status', '/metrics', '/', '/readyz', '/status/history'].map(
        async (path) => await (await fetch(sidecar.adminUrl + path)).text(),
      ),
    )
    const encoded = Buffer.from(`app:${PASSWORD}`).toString('base64')
    for (const text of [...pages, problem, await sidecar.logs()]) {
      expect(text).not.toContain(PASSWORD)
      expect(text).not.toContain(encoded)
    }
  },
)

test.for(['https', 'http'] as const)(
  'a changed password is used for an %s upstream without a restart, as soon as the proxy has rejected the old one',
  async (scheme) => {
    let password = 'first'
    const proxy = await startEgressProxy({ credentials: () => `app:${password}` })
    const { origin, ca } = await startTlsApi()
    const api = await startServer((_req, res) => void res.end('ok'))
    const file = await fileWith(password)
    const tls = { ca: { file: ca } }
    const sidecar = await startRoute(
      {
        ...(scheme === 'https' ? { upstream: origin, tls } : { upstream: api }),
        proxy: { url: proxy.url, username: 'app', password: { file } },
      },
      WITHOUT_INTERVALS,
    )
    expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
    password = 'second'
    await writeFile(file, password)
    proxy.closeTunnels()
    await until(async () => (await fetch(sidecar.proxyUrl)).status === 200)
    expect(proxy.headers.at(-1)?.['proxy-authorization']).toBe(
      `Basic ${Buffer.from('app:second').toString('base64')}`,
    )
  },
)

test('a request on a stale tunnel is sent once more on a new one', async () => {
  const proxy = await startEgressProxy()
  const { origin, ca } = await startTlsApi()
  const sidecar = await startRoute({
    upstream: origin,
    tls: { ca: { file: ca } },
    proxy: proxy.url,
  })
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
  proxy.closeTunnels()
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
  expect(proxy.targets).toHaveLength(2)
})

test('a sidecar with a proxy whose password file is missing does not start', async () => {
  await expect(
    startRoute({
      upstream: 'https://api.example.com',
      proxy: {
        url: 'http://127.0.0.1:1',
        username: 'a',
        password: { file: '/nonexistent/password' },
      },
    }),
  ).rejects.toThrow('routes[0].proxy.password.file')
})
