import { once } from 'node:events'
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type Authority, createAuthority } from '../helpers/certificates.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { type Squid, SQUID, SQUID_PASSWORD, SQUID_USER, startSquid } from '../helpers/squid.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

/*
 * The proxy of another project, with Basic authentication, with and without TLS to the proxy.
 */

const isSkipped = SQUID === undefined && MAY_SKIP

/** An https server for HTTP/2 and HTTP/1.1 that is both the API and the token endpoint, and squid in front of it. */
async function startAll() {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('localhost', ['localhost'])
  const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (req, res) => {
    if (req.url === '/token') {
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ access_token: 'a-token', token_type: 'Bearer', expires_in: 300 }))
    } else res.end(`${req.httpVersion} ${req.headers.authorization}`)
  })
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket, head) => {
    sockets.handleUpgrade(req, socket, head, (client) => {
      client.on('message', (message) => client.send(message))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of sockets.clients) client.terminate()
    server.close()
  })
  const squid = await startSquid(
    SQUID ?? 'squid',
    await authority.issue('localhost', ['localhost']),
    portOf(server),
  )
  return {
    authority,
    origin: `https://localhost:${portOf(server)}`,
    squid,
    ca: await fileWith(authority.certificate),
  }
}

async function proxyLines(squid: Squid, scheme: 'http' | 'https', authority: Authority) {
  return {
    url: scheme === 'http' ? squid.httpUrl : squid.httpsUrl,
    username: SQUID_USER,
    password: { file: await fileWith(SQUID_PASSWORD) },
    ...(scheme === 'https' && { tls: { ca: { file: await fileWith(authority.certificate) } } }),
  }
}

function sidecarConfig(config: Readonly<Record<string, unknown>>): string {
  return Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('')
}

test.for(['http', 'https'] as const)(
  'squid as %s proxy carries token requests, HTTP/1.1, HTTP/2 and WebSockets to an https server (skipped without squid)',
  { skip: isSkipped },
  async (scheme) => {
    const { authority, origin, squid, ca } = await startAll()
    const proxy = await proxyLines(squid, scheme, authority)
    const common = {
      match: { path: '/' },
      upstream: origin,
      credential: 'corp',
      tls: { ca: { file: ca } },
      proxy,
    }
    const sidecar = await startSidecar(
      sidecarConfig({
        credentials: {
          corp: {
            tokenEndpoint: `${origin}/token`,
            clientId: 'app',
            auth: { method: 'none' },
            tls: { ca: { file: ca } },
            proxy,
          },
        },
        routes: [
          { ...common, name: 'http2', match: { path: '/http2' } },
          { ...common, name: 'http1', match: { path: '/http1' }, http2: 'never' },
        ],
      }),
    )
    const [one, two] = await Promise.all(
      ['/http1', '/http2'].map(async (path) => await (await fetch(sidecar.proxyUrl + path)).text()),
    )
    expect(one).toBe('1.1 Bearer a-token')
    expect(two).toBe('2.0 Bearer a-token')
    const socket = new WebSocket(`${sidecar.proxyUrl.replace('http:', 'ws:')}/http2`)
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')
    socket.send('hello')
    const [message] = await once(socket, 'message')
    expect(String(message)).toBe('hello')
    socket.terminate()
    await sidecar.close()
    // One tunnel for the token, one for each route, and one for the WebSocket.
    const line = `CONNECT ${new URL(origin).host} 200 ${SQUID_USER}`
    await until(async () => (await squid.log()).split(line).length - 1 >= 4)
    expect(await squid.log()).not.toContain('token')
  },
)

test.for(['http', 'https'] as const)(
  'squid as %s proxy carries requests to an http server in absolute-form (skipped without squid)',
  { skip: isSkipped },
  async (scheme) => {
    const { authority, squid } = await startAll()
    const api = await startServer((req, res) => void res.end(`${req.url} ${req.headers.host}`))
    const sidecar = await startSidecar(
      sidecarConfig({
        routes: [
          {
            name: 'all',
            match: { path: '/' },
            upstream: api,
            credential: 'none',
            proxy: await proxyLines(squid, scheme, authority),
          },
        ],
      }),
    )
    for (let i = 0; i < 3; i += 1) {
      const response = await fetch(`${sidecar.proxyUrl}/a?b=${i}`)
      expect(await response.text()).toBe(`/a?b=${i} ${new URL(api).host}`)
      expect(response.headers.get('via')).toContain('squid')
    }
    await until(async () => (await squid.log()).includes(`GET ${api}/a?b=2 200 ${SQUID_USER}`))
  },
)

/** The problem document for a request through this route. */
async function responseThrough(route: Readonly<Record<string, unknown>>): Promise<unknown> {
  const sidecar = await startSidecar(
    sidecarConfig({
      routes: [{ name: 'all', match: { path: '/' }, credential: 'none', ...route }],
    }),
  )
  return await (await fetch(sidecar.proxyUrl)).json()
}

test(
  'squid rejects a wrong password, and a port that it does not allow (skipped without squid)',
  { skip: isSkipped },
  async () => {
    const { authority, origin, squid, ca } = await startAll()
    const proxy = await proxyLines(squid, 'http', authority)
    const other = createServer()
    await startListening(other)
    const tls = { ca: { file: ca } }
    const wrong = { ...proxy, password: { file: await fileWith('wrong') } }
    const name = new URL(squid.httpUrl).host
    for (const upstream of [{ upstream: origin, tls }, { upstream: 'http://localhost:1' }]) {
      expect(await responseThrough({ ...upstream, proxy: wrong })).toMatchObject({
        code: 'upstream_proxy',
        detail: expect.stringContaining(
          `the proxy "${name}" rejects the user name or the password`,
        ),
      })
      expect(await responseThrough({ ...upstream, proxy: squid.httpUrl })).toMatchObject({
        code: 'upstream_proxy',
        detail: expect.stringContaining(`the proxy "${name}" requires a user name and a password`),
      })
    }
    expect(
      await responseThrough({ upstream: `https://localhost:${portOf(other)}`, tls, proxy }),
    ).toMatchObject({
      code: 'upstream_proxy',
      detail: expect.stringContaining('it responded to CONNECT with 403'),
    })
  },
)
