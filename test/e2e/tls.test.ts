import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { type TlsOptions, TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { createAuthority } from '../helpers/certificates.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { portOf, startListening } from '../helpers/servers.ts'
import { startProgram, startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

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

test('a private CA is trusted for the credential and the route that configure it', async () => {
  const { origin, ca } = await startTlsServer('localhost')
  const sidecar = await startSidecar(config(origin, { token: ca, upstream: ca }), env)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('Bearer a-token')
})

test('the CA of an authorization server is not trusted for an upstream', async () => {
  const { origin, ca } = await startTlsServer('localhost')
  const sidecar = await startSidecar(config(origin, { token: ca }), env)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'upstream_tls',
    detail: expect.stringContaining('unknown authority; "tls.ca" names the one to trust'),
  })
})

test('the CA of an upstream is not trusted for an authorization server', async () => {
  const { origin, ca } = await startTlsServer('localhost')
  const sidecar = await startSidecar(config(origin, { upstream: ca }), env)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining('unknown authority'),
  })
})

test('a certificate for another host is rejected', async () => {
  const { origin, ca } = await startTlsServer('other.example')
  const sidecar = await startSidecar(
    config(origin, { token: ca, upstream: ca }).replace('credential: corp, ', 'credential: none, '),
    env,
  )
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'upstream_tls',
    detail: expect.stringContaining('certificate is not valid for this host name'),
  })
})

/** An upstream at https://localhost that responds with properties of the TLS connection. */
async function startReportingServer(options: TlsOptions = {}) {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('localhost', ['localhost'])
  const server = createServer({ cert: certificate, key, ...options }, (req, res) => {
    const { socket } = req
    if (!(socket instanceof TLSSocket)) throw new TypeError('expected TLS')
    res.setHeader('connection', 'close')
    res.end(
      JSON.stringify({
        version: socket.getProtocol(),
        resumed: socket.isSessionReused(),
        name: socket.servername,
        host: req.headers.host,
      }),
    )
  })
  await startListening(server)
  const ca = join(await temporaryDirectory(), 'ca.pem')
  await writeFile(ca, authority.certificate)
  return { origin: `https://localhost:${portOf(server)}`, ca }
}

test('TLS 1.2 is the minimum version even if NODE_OPTIONS allows an older one', async () => {
  const oldServer = {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  } as const
  const { origin, ca } = await startReportingServer(oldServer)
  const program = await startProgram(forwardConfig(origin, `tls: ${tls(ca)}`), {
    NODE_OPTIONS: '--tls-min-v1.0 --tls-cipher-list=DEFAULT@SECLEVEL=0',
  })
  const response = await fetch(program.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({ code: 'upstream_tls' })
})

test('a route can require TLS 1.3', async () => {
  const { origin, ca } = await startReportingServer({ maxVersion: 'TLSv1.2' })
  const strict = await startSidecar(
    forwardConfig(origin, `tls: { ca: { file: ${ca} }, minVersion: TLSv1.3 }`),
  )
  expect((await fetch(strict.proxyUrl)).status).toBe(502)
  const lenient = await startSidecar(forwardConfig(origin, `tls: ${tls(ca)}`))
  expect(await (await fetch(lenient.proxyUrl)).json()).toMatchObject({ version: 'TLSv1.2' })
})

test('the next connection resumes the TLS session', async () => {
  const { origin, ca } = await startReportingServer()
  const sidecar = await startSidecar(forwardConfig(origin, `tls: ${tls(ca)}`))
  expect(await (await fetch(sidecar.proxyUrl)).json()).toMatchObject({ resumed: false })
  // The session ticket arrives after the first response.
  await until(async () => {
    const { resumed } = z
      .object({ resumed: z.boolean() })
      .parse(await (await fetch(sidecar.proxyUrl)).json())
    return resumed
  })
})

test("the certificate is verified for the upstream's host even with keepHost", async () => {
  const { origin, ca } = await startReportingServer()
  const sidecar = await startSidecar(forwardConfig(origin, `tls: ${tls(ca)}\nkeepHost: true`))
  const { host } = new URL(sidecar.proxyUrl)
  expect(await (await fetch(sidecar.proxyUrl)).json()).toMatchObject({ name: 'localhost', host })
})

test('no SNI is sent for an IP address, regardless of Host', async () => {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('address', ['127.0.0.1'])
  const server = createServer(
    { cert: certificate, key },
    (req, res) => void res.end(req.headers.host),
  )
  await startListening(server)
  const ca = join(await temporaryDirectory(), 'ca.pem')
  await writeFile(ca, authority.certificate)
  const sidecar = await startSidecar(
    forwardConfig(`https://127.0.0.1:${portOf(server)}`, `tls: ${tls(ca)}\nkeepHost: true`),
  )
  const { port } = new URL(sidecar.proxyUrl)
  expect(await (await fetch(`http://localhost:${port}`)).text()).toBe(`localhost:${port}`)
})
