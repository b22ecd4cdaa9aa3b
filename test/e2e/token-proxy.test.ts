import { createServer } from 'node:https'
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

test('a proxy that rejects CONNECT or is unreachable causes token_unavailable', async () => {
  const refusing = await startEgressProxy({
    onConnect: (socket) => void socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n'),
  })
  const { credential, byEndpoint, requests } = await startHttpsEndpoint()
  for (const proxy of [refusing.url, 'http://127.0.0.1:1']) {
    const { status, body } = await callWith(credential(byEndpoint, proxy))
    expect(status).toBe(503)
    expect(JSON.parse(body)).toMatchObject({ code: 'token_unavailable' })
  }
  expect(requests()).toBe(0)
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
