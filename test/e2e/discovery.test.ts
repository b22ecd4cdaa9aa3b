import { writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { callWith, fileWith } from '../helpers/credential-call.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { sendToken } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

type Respond = (res: ServerResponse, origin: string) => void

/** An authorization server with these paths and a token endpoint at `/token`; any other path gets 404. */
async function startServerWith(handlers: Readonly<Record<string, Respond>>) {
  const paths: string[] = []
  const origin: string = await startServer((req, res) => {
    const path = req.url ?? ''
    paths.push(path)
    const respond = handlers[path]
    if (respond !== undefined) respond(res, origin)
    else if (path === '/token') sendToken(res)
    else res.writeHead(404).end()
  })
  return { origin, paths }
}

function credential(issuer: string): string {
  return `issuer: ${issuer}\nclientId: app\nauth: { method: none }`
}

/** Metadata of the issuer at `path` of this server. */
function metadata(path: string, changes: Readonly<Record<string, unknown>> = {}): Respond {
  return (res, origin) => {
    const whole = { issuer: origin + path, token_endpoint: `${origin}/token`, ...changes }
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole))
  }
}

const RFC_8414 = '/.well-known/oauth-authorization-server'
const OPENID = '/.well-known/openid-configuration'

test.for([
  { what: 'an issuer without a path', path: '', at: RFC_8414, expected: [RFC_8414, '/token'] },
  {
    what: 'an issuer with a path, after the well-known part',
    path: '/realms/corp',
    at: `${RFC_8414}/realms/corp`,
    expected: [`${RFC_8414}/realms/corp`, '/token'],
  },
  {
    what: 'an OpenID provider',
    path: '',
    at: OPENID,
    expected: [RFC_8414, OPENID, '/token'],
  },
  {
    what: 'an OpenID provider with a path, before the well-known part',
    path: '/realms/corp',
    at: `/realms/corp${OPENID}`,
    expected: [`${RFC_8414}/realms/corp`, `/realms/corp${OPENID}`, '/token'],
  },
  {
    what: 'an OpenID provider whose issuer ends in a slash',
    path: '/tenant/',
    at: `/tenant${OPENID}`,
    // RFC 8414 section 3.1: a terminating slash is removed.
    expected: [`${RFC_8414}/tenant`, `/tenant${OPENID}`, '/token'],
  },
])('the token endpoint is discovered for $what', async ({ path, at, expected }) => {
  const { origin, paths } = await startServerWith({ [at]: metadata(path) })
  const { body } = await callWith(credential(origin + path))
  expect(body).toBe('Bearer a-token')
  expect(paths).toEqual(expected)
})

test('metadata is fetched once, not for every token', async () => {
  const { origin, paths } = await startServerWith({
    [RFC_8414]: metadata(''),
    '/token': (res) => sendToken(res, { expires_in: 1 }),
  })
  const { sidecar } = await callWith(credential(origin))
  await until(async () => {
    expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
    return paths.length > 2
  })
  expect(paths).toEqual([RFC_8414, '/token', '/token'])
})

const UNUSABLE: readonly { what: string; respond: Respond; detail: string }[] = [
  {
    what: 'of another issuer',
    respond: metadata('', { issuer: 'https://login.example' }),
    detail: 'it names another issuer',
  },
  {
    what: 'of an issuer with an additional trailing slash',
    respond: metadata('/'),
    detail:
      'it names another issuer; the configured one must be identical, including a trailing slash',
  },
  {
    what: 'of an issuer that is not a URL',
    respond: metadata('', { issuer: 'login' }),
    detail: 'it names another issuer',
  },
  {
    what: 'without an issuer',
    respond: metadata('', { issuer: undefined }),
    detail: 'it is not a JSON object with an issuer',
  },
  {
    what: 'without a token endpoint',
    respond: metadata('', { token_endpoint: undefined }),
    detail: 'it has no token endpoint',
  },
  {
    what: 'with a token endpoint that is not an absolute URL',
    respond: metadata('', { token_endpoint: '/token' }),
    detail: 'it has no token endpoint',
  },
  {
    what: 'with a plaintext token endpoint',
    respond: metadata('', { token_endpoint: 'http://login.example/token' }),
    detail: 'its token endpoint is not https',
  },
  {
    what: 'that is an HTML page',
    respond: (res) => void res.end('<html>'),
    detail: 'it is not JSON',
  },
  { what: 'that is an array', respond: (res) => void res.end('[]'), detail: 'not a JSON object' },
  { what: 'that is null', respond: (res) => void res.end('null'), detail: 'not a JSON object' },
  {
    what: 'that is a redirect',
    respond: (res) => void res.writeHead(302, { location: '/token' }).end(),
    detail: 'nothing at its well-known URLs',
  },
]

test.for(UNUSABLE)('metadata $what is rejected', async ({ respond, detail }) => {
  const { origin, paths } = await startServerWith({ [RFC_8414]: respond })
  const { status, body } = await callWith(credential(origin))
  expect(status).toBe(502)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_invalid',
    detail: expect.stringContaining(detail),
  })
  expect(paths).not.toContain('/token')
})

test.for([500, 503, 429])('metadata is requested again soon after a %i', async (status) => {
  let isAvailable = false
  const { origin, paths } = await startServerWith({
    [RFC_8414]: (res, own) => {
      if (isAvailable) metadata('')(res, own)
      else res.writeHead(status).end()
      isAvailable = true
    },
  })
  const { status: first, body, sidecar } = await callWith(credential(origin))
  expect(first).toBe(503)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining(`status ${status}`),
  })
  await until(async () => (await fetch(sidecar.proxyUrl)).status === 200)
  expect(paths).toEqual([RFC_8414, OPENID, RFC_8414, '/token'])
})

test('a moved token endpoint is discovered again', async () => {
  let path = '/old'
  const { origin, paths } = await startServerWith({
    [RFC_8414]: (res, own) => metadata('', { token_endpoint: own + path })(res, own),
    '/old': (res) => {
      if (path === '/old') sendToken(res, { expires_in: 1, access_token: 'from-old' })
      else res.writeHead(404).end()
    },
    '/new': (res) => sendToken(res, { access_token: 'from-new' }),
  })
  const { body, sidecar } = await callWith(credential(origin))
  expect(body).toBe('Bearer from-old')
  path = '/new'
  await until(async () => (await (await fetch(sidecar.proxyUrl)).text()) === 'Bearer from-new')
  expect(paths).toEqual([RFC_8414, '/old', '/old', RFC_8414, '/new'])
})

test('a rejected token request does not cause a metadata request', async () => {
  let accepts = false
  const { origin, paths } = await startServerWith({
    [RFC_8414]: metadata(''),
    '/token': (res) => {
      if (accepts) sendToken(res)
      else res.writeHead(401).end('{"error":"invalid_client"}')
    },
  })
  const secret = await fileWith('first')
  const { status } = await callWith(
    `issuer: ${origin}\nclientId: app\nauth: { clientSecret: { file: ${secret} } }`,
  )
  expect(status).toBe(502)
  accepts = true
  // A changed secret causes an immediate retry.
  await writeFile(secret, 'second')
  await until(() => paths.length === 3)
  expect(paths).toEqual([RFC_8414, '/token', '/token'])
})

const FIRST_FAILURES: readonly { what: string; respond: Respond }[] = [
  { what: 'a server error', respond: (res) => void res.writeHead(500).end() },
  { what: 'a 403', respond: (res) => void res.writeHead(403).end() },
  { what: 'a login page', respond: (res) => void res.end('<html>') },
  { what: 'an empty object', respond: (res) => void res.end('{}') },
  { what: 'metadata of another issuer', respond: metadata('/other') },
  { what: 'metadata without a token endpoint', respond: metadata('', { token_endpoint: 7 }) },
  {
    what: 'metadata with a plaintext token endpoint',
    respond: metadata('', { token_endpoint: 'http://login.example/token' }),
  },
  { what: 'a redirect', respond: (res) => void res.writeHead(301, { location: '/x' }).end() },
  { what: 'a connection reset', respond: (res) => void res.destroy() },
  { what: 'an invalid status code', respond: (res) => void res.writeHead(999).end() },
  {
    what: 'a damaged body',
    respond: (res) => void res.writeHead(200, { 'content-encoding': 'gzip' }).end('damaged'),
  },
  { what: 'no response', respond: () => {} },
]

test.for(FIRST_FAILURES)(
  'the second well-known URL is tried after $what from the first',
  async ({ respond }) => {
    const { origin, paths } = await startServerWith({ [RFC_8414]: respond, [OPENID]: metadata('') })
    const { body } = await callWith(`${credential(origin)}\ntimeout: 3s`)
    expect(body).toBe('Bearer a-token')
    expect(paths).toEqual([RFC_8414, OPENID, '/token'])
  },
)

const fail =
  (status: number): Respond =>
  (res) =>
    void res.writeHead(status).end()

test.for([
  { first: 404, second: 403, detail: 'status 403' },
  { first: 403, second: 404, detail: 'status 403' },
  { first: 500, second: 404, detail: 'status 500' },
  { first: 404, second: 503, detail: 'status 503' },
  { first: 404, second: 404, detail: 'nothing at its well-known URLs' },
])(
  'of the statuses $first and $second of the metadata URLs the more specific one is reported',
  async ({ first, second, detail }) => {
    const { origin } = await startServerWith({ [RFC_8414]: fail(first), [OPENID]: fail(second) })
    const { body } = await callWith(credential(origin))
    expect(JSON.parse(body)).toMatchObject({ detail: expect.stringContaining(detail) })
  },
)

test('a discovered token endpoint keeps its query', async () => {
  const { origin, paths } = await startServerWith({
    [RFC_8414]: (res, own) => metadata('', { token_endpoint: `${own}/token?a=b&c` })(res, own),
    '/token?a=b&c': (res) => sendToken(res),
  })
  const { body } = await callWith(credential(origin))
  expect(body).toBe('Bearer a-token')
  expect(paths).toEqual([RFC_8414, '/token?a=b&c'])
})

test.for([200, 201, 203])('metadata with status %i is accepted', async (status) => {
  const { origin } = await startServerWith({
    [RFC_8414]: (res, own) => {
      res.writeHead(status).end(JSON.stringify({ issuer: own, token_endpoint: `${own}/token` }))
    },
  })
  const { body } = await callWith(credential(origin))
  expect(body).toBe('Bearer a-token')
})

test('compressed metadata is accepted', async () => {
  const { origin } = await startServerWith({
    [RFC_8414]: (res, own) => {
      const text = JSON.stringify({ issuer: own, token_endpoint: `${own}/token` })
      res.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(text))
    },
  })
  const { body } = await callWith(credential(origin))
  expect(body).toBe('Bearer a-token')
})

test.for([
  { what: 'with userinfo', endpoint: 'https://me:pw@login.example/token' },
  { what: 'with a fragment', endpoint: 'https://login.example/token#a' },
  { what: 'with another scheme', endpoint: 'ftp://login.example/token' },
])('a discovered token endpoint $what is rejected, as in the configuration', async (given) => {
  const { origin } = await startServerWith({
    [RFC_8414]: metadata('', { token_endpoint: given.endpoint }),
  })
  const { body } = await callWith(credential(origin))
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_invalid',
    detail: expect.stringContaining('not an http(s) URL without user or fragment'),
  })
})

/** An issuer with TLS and these endpoints in its metadata. */
async function startTlsIssuer(endpoints: object) {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('localhost', ['localhost'])
  const names: (string | boolean | null)[] = []
  const server = createTlsServer({ cert: certificate, key }, (req, res) => {
    if (req.socket instanceof TLSSocket) names.push(req.socket.servername ?? null)
    const issuer = `https://${req.headers.host}`
    if (req.url === '/token') {
      sendToken(res)
      return
    }
    res.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/token`, ...endpoints }))
  })
  await startListening(server)
  const ca = await fileWith(authority.certificate)
  return { port: portOf(server), names, tls: `tls: { ca: { file: ${ca} } }` }
}

test.for([
  {
    what: 'token endpoint on another host',
    endpoints: { token_endpoint: 'http://login.example/t' },
  },
  {
    what: 'token endpoint on a loopback address',
    endpoints: { token_endpoint: 'http://127.0.0.1:1/t' },
  },
  {
    what: 'token endpoint at *.localhost',
    endpoints: { token_endpoint: 'http://as.localhost:1/t' },
  },
  {
    what: 'mutual TLS endpoint alias',
    endpoints: { mtls_endpoint_aliases: { token_endpoint: 'http://127.0.0.1:1/t' } },
  },
])('metadata of an https issuer with an http $what is rejected', async ({ endpoints }) => {
  const { port, tls } = await startTlsIssuer(endpoints)
  const { body } = await callWith(`${credential(`https://localhost:${port}`)}\n${tls}`)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_invalid',
    detail: expect.stringContaining('its token endpoint is not https'),
  })
})

test('metadata of an https issuer with an http token endpoint is accepted with allowPlaintext', async () => {
  const { origin } = await startServerWith({})
  const { port, tls } = await startTlsIssuer({ token_endpoint: `${origin}/token` })
  const { body } = await callWith(
    `${credential(`https://localhost:${port}`)}\n${tls}\nallowPlaintext: true`,
  )
  expect(body).toBe('Bearer a-token')
})

test('a trailing dot in the host of an authorization server is removed from SNI', async () => {
  const { port, tls, names } = await startTlsIssuer({})
  // The proxy resolves the name, because not every resolver accepts the trailing dot.
  const proxy = await startLoopbackProxy()
  const issuer = `https://localhost.:${port}`
  const { body } = await callWith(`${credential(issuer)}\n${tls}\nproxy: ${proxy}`)
  expect(body).toBe('Bearer a-token')
  expect(names).toEqual(['localhost', 'localhost'])
})

/** A CONNECT proxy that connects to 127.0.0.1 for every host. */
async function startLoopbackProxy(): Promise<string> {
  const server = createServer()
  server.on('connect', ({ url = '' }, client) => {
    const upstream = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    client.on('error', () => upstream.destroy())
  })
  return await startListening(server)
}
