import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { startEgressProxy } from '../helpers/egress-proxy.ts'
import { callWith, fileWith } from '../helpers/credential-call.ts'
import { portOf, startListening } from '../helpers/servers.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

/** A token endpoint at https://localhost, and the lines of a credential that trusts it. */
async function startHttpsEndpoint(certificateFor = 'localhost') {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('server', [certificateFor])
  let requests = 0
  const server = createServer({ cert: certificate, key }, (req, res) => {
    requests += 1
    if (req.url === '/.well-known/oauth-authorization-server') {
      res.end(JSON.stringify({ issuer: origin, token_endpoint: `${origin}/token` }))
    } else sendToken(res)
  })
  await startListening(server)
  const host = `localhost:${portOf(server)}`
  const origin = `https://${host}`
  const ca = await fileWith(authority.certificate)
  return {
    host,
    requests: () => requests,
    credential: (endpoint: string, proxy: string): string => `
${endpoint}
clientId: app
auth: { method: none }
tls: { ca: { file: '${ca}' } }
proxy: ${proxy}`,
    byEndpoint: `tokenEndpoint: ${origin}/token`,
    byIssuer: `issuer: ${origin}`,
  }
}

test('token requests use a CONNECT tunnel of the proxy', async () => {
  const proxy = await startEgressProxy()
  const { credential, byEndpoint, host, requests } = await startHttpsEndpoint()
  const { body } = await callWith(credential(byEndpoint, proxy.url))
  expect(body).toBe('Bearer a-token')
  expect(proxy.targets).toEqual([`CONNECT ${host}`])
  expect(requests()).toBe(1)
})

test('metadata requests use a CONNECT tunnel of the proxy', async () => {
  const proxy = await startEgressProxy()
  const { credential, byIssuer, host } = await startHttpsEndpoint()
  const { body } = await callWith(credential(byIssuer, proxy.url))
  expect(body).toBe('Bearer a-token')
  expect(proxy.targets).toEqual([`CONNECT ${host}`, `CONNECT ${host}`])
})

test.for(['localhost', 'example.com, localhost', '*', 'LOCALHOST'])(
  'NO_PROXY=%s is honoured',
  async (except) => {
    const proxy = await startEgressProxy()
    const { credential, byEndpoint } = await startHttpsEndpoint()
    const { body } = await callWith(credential(byEndpoint, proxy.url), { NO_PROXY: except })
    expect(body).toBe('Bearer a-token')
    expect(proxy.targets).toEqual([])
  },
)

test('no_proxy in lower case, and a port in it, are honoured', async () => {
  const proxy = await startEgressProxy()
  const { credential, byEndpoint, host } = await startHttpsEndpoint()
  const { body } = await callWith(credential(byEndpoint, proxy.url), { no_proxy: host })
  expect(body).toBe('Bearer a-token')
  expect(proxy.targets).toEqual([])
})

test.for(['example.com', 'host', 'localhost:1'])(
  'NO_PROXY=%s does not match other hosts',
  async (except) => {
    const proxy = await startEgressProxy()
    const { credential, byEndpoint, host } = await startHttpsEndpoint()
    const { body } = await callWith(credential(byEndpoint, proxy.url), { NO_PROXY: except })
    expect(body).toBe('Bearer a-token')
    expect(proxy.targets).toEqual([`CONNECT ${host}`])
  },
)

test('certificates are verified through the proxy tunnel', async () => {
  const proxy = await startEgressProxy()
  const { credential, byEndpoint, requests } = await startHttpsEndpoint('other.example')
  const { status, body } = await callWith(credential(byEndpoint, proxy.url))
  expect(status).toBe(503)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining('certificate is not valid for this host name'),
  })
  expect(requests()).toBe(0)
})

test.for([
  {
    what: 'rejects CONNECT',
    respond: 'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n',
    says: 'refuses the connection: it responded to CONNECT with 403',
  },
  {
    what: 'requires a password',
    respond: 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="a"\r\n\r\n',
    says: 'requires a user name and a password (407)',
  },
  { what: 'closes the connection', respond: '', says: 'closed the connection without a response' },
])('a proxy that $what causes token_unavailable, which names it', async ({ respond, says }) => {
  const proxy = await startEgressProxy({ onConnect: (socket) => void socket.end(respond) })
  const { credential, byEndpoint, host, requests } = await startHttpsEndpoint()
  const { status, body } = await callWith(credential(byEndpoint, proxy.url))
  expect(status).toBe(503)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining(
      `Cannot reach "https://${host}": the proxy "${proxy.name}" ${says}`,
    ),
  })
  expect(requests()).toBe(0)
})

test('a proxy that is unreachable causes token_unavailable, which names it', async () => {
  const { credential, byEndpoint, requests } = await startHttpsEndpoint()
  const { status, body } = await callWith(credential(byEndpoint, 'http://127.0.0.1:1'))
  expect(status).toBe(503)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining(
      'cannot connect to the proxy "127.0.0.1:1": connection refused',
    ),
  })
  expect(requests()).toBe(0)
})

test('a token request is authenticated at an https proxy, whose password is read for each request', async () => {
  let password = 'first'
  const authority = await createAuthority('authority of the proxy')
  const proxy = await startEgressProxy({
    certificate: await authority.issue('localhost', ['localhost']),
    credentials: () => `app:${password}`,
  })
  const { credential, byIssuer, requests } = await startHttpsEndpoint()
  const ca = await fileWith(authority.certificate)
  const file = await fileWith(password)
  const { body, sidecar } = await callWith(
    credential(
      byIssuer,
      `{ url: '${proxy.url}', username: app, password: { file: '${file}' }, tls: { ca: { file: '${ca}' } } }`,
    ),
  )
  expect(body).toBe('Bearer a-token')
  expect(requests()).toBe(2)
  password = 'second'
  await writeFile(file, password)
  const renewed = await fetch(`${sidecar.adminUrl}/credentials/corp/renew`, { method: 'POST' })
  expect(renewed.status).toBe(200)
  expect(proxy.targets.length).toBeGreaterThan(2)
  expect(requests()).toBeGreaterThan(2)
})

test('a token request to an http endpoint is sent to the proxy in absolute-form', async () => {
  const proxy = await startEgressProxy({ credentials: () => 'app:secret' })
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const url = endpoint.url.replace('127.0.0.1', 'as.invalid')
  const settings = (password: string): string =>
    `tokenEndpoint: ${url}\nallowPlaintext: true\nclientId: app\nauth: { method: none }\nproxy: { url: '${proxy.url}', username: app, password: { value: ${password} } }`
  const { body } = await callWith(settings('secret'))
  expect(body).toBe('Bearer a-token')
  expect(proxy.targets).toEqual([`POST ${url}`])
  expect(endpoint.requests[0]?.headers['proxy-authorization']).toBeUndefined()
  const rejected = await callWith(settings('wrong'))
  expect(JSON.parse(rejected.body)).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining('rejects the user name or the password (407)'),
  })
  expect(endpoint.requests).toHaveLength(1)
})

test('a client certificate authenticates a token request through a proxy', async () => {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('as.invalid', ['as.invalid'])
  const client = await authority.issue('app', ['app.example'])
  const subjects: unknown[] = []
  const server = createServer(
    { cert: certificate, key, ca: authority.certificate, requestCert: true },
    (req, res) => {
      if (req.socket instanceof TLSSocket) {
        subjects.push(req.socket.getPeerX509Certificate()?.subject)
      }
      sendToken(res)
    },
  )
  await startListening(server)
  const proxy = await startEgressProxy()
  const files = {
    ca: await fileWith(authority.certificate),
    certificate: await fileWith(client.certificate),
    key: await fileWith(client.key),
  }
  const { body } = await callWith(`
tokenEndpoint: https://as.invalid:${portOf(server)}/token
clientId: app
auth: { method: tls_client_auth }
tls:
  ca: { file: '${files.ca}' }
  client: { certificate: { file: '${files.certificate}' }, key: { file: '${files.key}' } }
proxy: ${proxy.url}`)
  expect(body).toBe('Bearer a-token')
  expect(subjects).toEqual(['CN=app'])
})

test('HTTPS_PROXY is not used without the proxy setting', async () => {
  const proxy = await startEgressProxy()
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const { body } = await callWith(
    `tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }`,
    { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, http_proxy: proxy.url },
  )
  expect(body).toBe('Bearer a-token')
  expect(proxy.targets).toEqual([])
})
