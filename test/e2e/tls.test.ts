import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { portOf, startListening } from '../helpers/servers.ts'
import { startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken } from '../helpers/token-endpoint.ts'

/** One TLS server for `host` that is both the token endpoint and the upstream. */
async function startTlsServer(host: string) {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue(host, [host])
  const server = createServer({ cert: certificate, key }, (req, res) => {
    if (req.url === '/token') sendToken(res)
    else res.end(req.headers.authorization)
  })
  await startListening(server)
  const directory = await temporaryDirectory()
  const ca = join(directory, 'ca.pem')
  await writeFile(ca, authority.certificate)
  return { origin: `https://localhost:${portOf(server)}`, ca }
}

function tls(file: string | undefined): string {
  return file === undefined ? '{}' : `{ ca: { file: ${file} } }`
}

function config(
  origin: string,
  trust: { readonly token?: string; readonly upstream?: string },
): string {
  return `
credentials:
  corp:
    tokenEndpoint: ${origin}/token
    clientId: app
    auth: { clientSecret: { env: SECRET } }
    tls: ${tls(trust.token)}
routes:
  - { name: orders, match: { path: / }, upstream: '${origin}', credential: corp, tls: ${tls(trust.upstream)} }
`
}

const env = { SECRET: 's' }

test('a private authority is trusted where the configuration names it', async () => {
  const { origin, ca } = await startTlsServer('localhost')
  const sidecar = await startSidecar(config(origin, { token: ca, upstream: ca }), env)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('Bearer a-token')
})

test('and nowhere else: not for the upstream', async () => {
  const { origin, ca } = await startTlsServer('localhost')
  const sidecar = await startSidecar(config(origin, { token: ca }), env)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'upstream_tls',
    detail: expect.stringContaining('unknown authority; "tls.ca" names the one to trust'),
  })
})

test('nor for the authorization server', async () => {
  const { origin, ca } = await startTlsServer('localhost')
  const sidecar = await startSidecar(config(origin, { upstream: ca }), env)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining('unknown authority'),
  })
})

test('a certificate for another host is refused', async () => {
  const { origin, ca } = await startTlsServer('other.example')
  const sidecar = await startSidecar(
    config(origin, { token: ca, upstream: ca }).replace('credential: corp, ', 'credential: none, '),
    env,
  )
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'upstream_tls',
    detail: expect.stringContaining('its certificate is for another host name'),
  })
})
