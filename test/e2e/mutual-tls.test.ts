import { createHash, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { JWK } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { createTlsReader } from '../../src/lib/tls-material.ts'
import { createUpstream } from '../../src/outbound/upstream.ts'
import { type Authority, type Certificate, createAuthority } from '../helpers/certificates.ts'
import { createFakeClock } from '../helpers/fake-clock.ts'
import { credentialConfig } from '../helpers/credential-call.ts'
import { bodyFrom } from '../helpers/upstream-request.ts'
import { clientCertificate, machineClient, startProvider } from '../helpers/provider.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** A CA for servers, a CA for clients, and the files of one client. */
async function createFixture() {
  const servers = await createAuthority('authority of servers')
  const clients = await createAuthority('authority of clients')
  const directory = await temporaryDirectory()
  const files = {
    ca: join(directory, 'ca.pem'),
    certificate: join(directory, 'tls.crt'),
    key: join(directory, 'tls.key'),
  }
  await writeFile(files.ca, servers.certificate)
  const use = async ({ certificate, key }: Certificate): Promise<void> => {
    await writeFile(files.certificate, certificate)
    await writeFile(files.key, key)
  }
  await use(await client(clients, 'app'))
  return { servers, clients, files, use, server: await servers.issue('server', ['localhost']) }
}

async function client(authority: Authority, name: string): Promise<Certificate> {
  return await authority.issue(name, ['client.example'])
}

type Files = { readonly ca: string; readonly certificate: string; readonly key: string }

/** TLS settings with a client certificate. */
function withClientCertificate({ ca, certificate, key }: Files): string {
  return `{ ca: { file: '${ca}' }, client: { certificate: { file: '${certificate}' }, key: { file: '${key}' } } }`
}

function withoutClientCertificate({ ca }: Files): string {
  return `{ ca: { file: '${ca}' } }`
}

/** An https server that requests a client certificate, and by default requires one. */
async function startTlsServer(
  { server, clients }: { server: Certificate; clients: Authority },
  listener: RequestListener,
  rejectUnauthorized = true,
): Promise<string> {
  const running = createServer(
    {
      cert: server.certificate,
      key: server.key,
      ca: clients.certificate,
      requestCert: true,
      rejectUnauthorized,
    },
    listener,
  )
  await startListening(running)
  return `https://localhost:${portOf(running)}`
}

function subjectOf({ socket }: IncomingMessage): string {
  return clientCertificate(socket)?.subject ?? 'no certificate'
}

function thumbprint(certificate: X509Certificate | undefined): string | undefined {
  return certificate && createHash('sha256').update(certificate.raw).digest('base64url')
}

/** The registered key of a client with a self-signed certificate (RFC 8705 section 2.2). */
function registeredKey(pem: string): JWK {
  const certificate = new X509Certificate(pem)
  return {
    ...certificate.publicKey.export({ format: 'jwk' }),
    x5c: [certificate.raw.toString('base64')],
    'x5t#S256': thumbprint(certificate) ?? '',
  }
}

type Fixture = Awaited<ReturnType<typeof createFixture>>

async function startIssuer(fixture: Fixture, selfSigned?: Certificate) {
  return await startProvider({
    tls: { ...fixture.server, clientAuthority: fixture.clients.certificate },
    clients: [
      machineClient({
        client_id: 'app',
        tls_client_certificate_bound_access_tokens: true,
        ...(selfSigned === undefined
          ? { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=app' }
          : {
              token_endpoint_auth_method: 'self_signed_tls_client_auth',
              jwks: { keys: [registeredKey(selfSigned.certificate)] },
            }),
      }),
    ],
  })
}

function credential(issuer: string, method: string, tls: string): string {
  return `issuer: ${issuer}\nclientId: app\nauth: { method: ${method} }\ntls: ${tls}`
}

const REJECTED = { status: 502, code: 'token_rejected', oauthError: 'invalid_client' }

test('oidc-provider authenticates a client by its certificate subject, and binds the token to the certificate', async () => {
  const fixture = await createFixture()
  const issuer = await startIssuer(fixture)
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const lines = credential(issuer.issuer, 'tls_client_auth', withClientCertificate(fixture.files))
  const sidecar = await startSidecar(credentialConfig(lines, upstream))
  const [scheme, token = ''] = (await (await fetch(sidecar.proxyUrl)).text()).split(' ')
  expect(scheme).toBe('Bearer')
  const own = new X509Certificate(await readFile(fixture.files.certificate))
  expect(await issuer.verify(token)).toMatchObject({
    client_id: 'app',
    cnf: { 'x5t#S256': thumbprint(own) },
  })
})

test.for([
  { what: 'of another subject', name: 'other', isForeign: false },
  { what: 'of a foreign authority', name: 'app', isForeign: true },
])('oidc-provider rejects a certificate $what', async ({ name, isForeign }) => {
  const fixture = await createFixture()
  const issuer = await startIssuer(fixture)
  await fixture.use(await client(isForeign ? await createAuthority() : fixture.clients, name))
  const lines = credential(issuer.issuer, 'tls_client_auth', withClientCertificate(fixture.files))
  const sidecar = await startSidecar(credentialConfig(lines, 'http://127.0.0.1:1'))
  expect(await (await fetch(sidecar.proxyUrl)).json()).toMatchObject(REJECTED)
})

test('oidc-provider authenticates a client by its registered self-signed certificate only', async () => {
  const fixture = await createFixture()
  // A root CA certificate is self-signed.
  const own = await createAuthority('app')
  const issuer = await startIssuer(fixture, own)
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const lines = credential(
    issuer.issuer,
    'self_signed_tls_client_auth',
    withClientCertificate(fixture.files),
  )
  await fixture.use(own)
  const sidecar = await startSidecar(credentialConfig(lines, upstream))
  const [, token = ''] = (await (await fetch(sidecar.proxyUrl)).text()).split(' ')
  expect(await issuer.verify(token)).toMatchObject({
    cnf: { 'x5t#S256': thumbprint(new X509Certificate(own.certificate)) },
  })
  await fixture.use(await createAuthority('app'))
  const impostor = await startSidecar(credentialConfig(lines, upstream))
  expect(await (await fetch(impostor.proxyUrl)).json()).toMatchObject(REJECTED)
})

/** An API that accepts a token only with the client certificate that it is bound to (RFC 8705 section 3). */
async function startBoundApi(fixture: Fixture) {
  const issuer = await startIssuer(fixture)
  const isBoundToCertificate = async ({ headers, socket }: IncomingMessage): Promise<boolean> => {
    const [, token = ''] = headers.authorization?.split(' ') ?? []
    const { cnf } = await issuer.verify(token)
    const bound = typeof cnf === 'object' && cnf !== null && 'x5t#S256' in cnf && cnf['x5t#S256']
    return bound === thumbprint(clientCertificate(socket))
  }
  const origin = await startTlsServer(fixture, (req, res) => {
    void isBoundToCertificate(req).then((isBound) => res.writeHead(isBound ? 200 : 401).end())
  })
  return {
    origin,
    lines: credential(issuer.issuer, 'tls_client_auth', withClientCertificate(fixture.files)),
  }
}

test('a certificate-bound token is sent over a connection with its certificate', async () => {
  const fixture = await createFixture()
  const { origin, lines } = await startBoundApi(fixture)
  const config = credentialConfig(lines, origin, `tls: ${withClientCertificate(fixture.files)}`)
  const sidecar = await startSidecar(config)
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
})

// Node closes the connection at once, so that the TLS alert may not arrive.
const HANDSHAKE_FAILURE = { code: expect.stringMatching(/^upstream_(?:tls|reset)$/) }

test('an API that requires a client certificate rejects a route without one', async () => {
  const fixture = await createFixture()
  const { origin, lines } = await startBoundApi(fixture)
  const config = credentialConfig(lines, origin, `tls: ${withoutClientCertificate(fixture.files)}`)
  const sidecar = await startSidecar(config)
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject(HANDSHAKE_FAILURE)
})

test('an API rejects a client certificate of an unknown CA', async () => {
  const fixture = await createFixture()
  const { origin, lines } = await startBoundApi(fixture)
  const directory = await temporaryDirectory()
  const foreign = await client(await createAuthority(), 'app')
  const files = {
    ...fixture.files,
    certificate: join(directory, 'tls.crt'),
    key: join(directory, 'tls.key'),
  }
  await writeFile(files.certificate, foreign.certificate)
  await writeFile(files.key, foreign.key)
  const sidecar = await startSidecar(
    credentialConfig(lines, origin, `tls: ${withClientCertificate(files)}`),
  )
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject(HANDSHAKE_FAILURE)
})

/** A server with a token endpoint, and an alias of it for clients with a certificate. */
async function startServerWithAliases(fixture: Fixture) {
  const received: string[] = []
  const respond =
    (name: string): RequestListener =>
    (req, res) => {
      received.push(`${name} by ${subjectOf(req)}`)
      sendToken(res)
    }
  const mutualOrigin = await startTlsServer(fixture, respond('alias'))
  const origin: string = await startTlsServer(
    fixture,
    (req, res) => {
      if (req.url === '/token') respond('plain')(req, res)
      else res.end(JSON.stringify(metadata()))
    },
    false,
  )
  const metadata = () => ({
    issuer: origin,
    token_endpoint: `${origin}/token`,
    mtls_endpoint_aliases: { token_endpoint: `${mutualOrigin}/mtls/token` },
  })
  return { origin, received }
}

test('a client with a certificate uses the mtls_endpoint_aliases of the server', async () => {
  const fixture = await createFixture()
  const { origin, received } = await startServerWithAliases(fixture)
  const upstream = await startServer((_req, res) => void res.end())
  const lines = credential(origin, 'tls_client_auth', withClientCertificate(fixture.files))
  const sidecar = await startSidecar(credentialConfig(lines, upstream))
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
  expect(received).toEqual(['alias by CN=app'])
})

test('a client with a certificate and another authentication method uses mtls_endpoint_aliases', async () => {
  const fixture = await createFixture()
  const { origin, received } = await startServerWithAliases(fixture)
  const upstream = await startServer((_req, res) => void res.end())
  const lines = credential(origin, 'client_secret_basic, clientSecret: { env: SECRET }', '{}')
  const tls = withClientCertificate(fixture.files)
  const config = credentialConfig(lines.replace('tls: {}', `tls: ${tls}`), upstream)
  const sidecar = await startSidecar(config, { SECRET: 's' })
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
  expect(received).toEqual(['alias by CN=app'])
})

test('a client without a certificate does not use mtls_endpoint_aliases', async () => {
  const fixture = await createFixture()
  const { origin, received } = await startServerWithAliases(fixture)
  const upstream = await startServer((_req, res) => void res.end())
  const method = 'client_secret_basic, clientSecret: { env: SECRET }'
  const lines = credential(origin, method, withoutClientCertificate(fixture.files))
  const sidecar = await startSidecar(credentialConfig(lines, upstream), { SECRET: 's' })
  expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
  expect(received).toEqual(['plain by no certificate'])
})

test('an http endpoint in mtls_endpoint_aliases is rejected', async () => {
  const fixture = await createFixture()
  const origin: string = await startTlsServer(fixture, (_req, res) => {
    const alias = { token_endpoint: 'http://login.example/token' }
    const own = { issuer: origin, token_endpoint: `${origin}/token` }
    res.end(JSON.stringify({ ...own, mtls_endpoint_aliases: alias }))
  })
  const lines = credential(origin, 'tls_client_auth', withClientCertificate(fixture.files))
  const sidecar = await startSidecar(credentialConfig(lines, 'http://127.0.0.1:1'))
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'token_invalid',
    detail: expect.stringContaining('its token endpoint is not https'),
  })
})

test('token requests use a rotated client certificate once its key is rotated, too', async () => {
  const fixture = await createFixture()
  const next = await client(fixture.clients, 'next')
  const received: string[] = []
  const origin = await startTlsServer(fixture, (req, res) => {
    received.push(subjectOf(req))
    if (received.length > 1) {
      sendToken(res)
      return
    }
    writeFileSync(fixture.files.certificate, next.certificate)
    res.writeHead(503).end()
  })
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(
    credentialConfig(
      `
tokenEndpoint: ${origin}/token
clientId: app
auth: { method: tls_client_auth }
tls: ${withClientCertificate(fixture.files)}`,
      upstream,
    ),
  )
  await until(async () =>
    (await (await fetch(sidecar.proxyUrl)).text()).includes(
      'the key does not match the certificate',
    ),
  )
  expect(received).toEqual(['CN=app'])
  await writeFile(fixture.files.key, next.key)
  await until(async () => (await fetch(sidecar.proxyUrl)).status === 200)
  expect(received).toEqual(['CN=app', 'CN=next'])
})

test('a replaced client certificate is used within seconds of a rejection', async () => {
  const fixture = await createFixture()
  const issuer = await startIssuer(fixture)
  await fixture.use(await client(fixture.clients, 'other'))
  const upstream = await startServer((_req, res) => void res.end())
  const lines = credential(issuer.issuer, 'tls_client_auth', withClientCertificate(fixture.files))
  const sidecar = await startSidecar(credentialConfig(lines, upstream))
  expect(await (await fetch(sidecar.proxyUrl)).json()).toMatchObject(REJECTED)
  const startedAtMs = performance.now()
  await fixture.use(await client(fixture.clients, 'app'))
  await until(async () => (await fetch(sidecar.proxyUrl)).status === 200)
  expect(performance.now() - startedAtMs).toBeLessThan(10_000)
})

test('connections to an API use the old client certificate until the key is rotated, too', async () => {
  const fixture = await createFixture()
  const origin = await startTlsServer(fixture, (req, res) => void res.end(subjectOf(req)))
  const { ca, certificate, key } = fixture.files
  const read = createTlsReader(
    {
      ca: { file: ca },
      client: { certificate: { file: certificate }, key: { file: key } },
      minVersion: 'TLSv1.2',
    },
    async (path) => await readFile(path, 'utf8'),
  )
  let reads = 0
  const clock = createFakeClock()
  const upstream = await createUpstream(
    { origin, connectTimeoutMs: 5_000, maxConnections: 8, maxHeaderBytes: 16_384 },
    async () => {
      try {
        return await read()
      } finally {
        reads += 1
      }
    },
    clock,
  )
  onTestFinished(upstream.close)

  expect(await bodyFrom(upstream)).toBe('CN=app')
  const next = await client(fixture.clients, 'next')
  await writeFile(certificate, next.certificate)
  for (const count of [2, 3]) {
    await clock.advance(10_000)
    await until(() => reads === count)
    await nextTurn()
  }
  expect(await bodyFrom(upstream)).toBe('CN=app')
  await writeFile(key, next.key)
  await clock.advance(10_000)
  await until(async () => (await bodyFrom(upstream)) === 'CN=next')
})

test('connections to an API use a rotated client certificate, and no request fails meanwhile', async () => {
  const fixture = await createFixture()
  const gate = Promise.withResolvers<void>()
  const origin = await startTlsServer(fixture, (req, res) => {
    res.write(subjectOf(req))
    if (req.url === '/slow') void gate.promise.then(() => res.end(' at last'))
    else res.end()
  })
  const config = `
routes:
  - { name: all, match: { path: / }, upstream: '${origin}', credential: none, tls: ${withClientCertificate(fixture.files)} }`
  const { proxyUrl } = await startSidecar(config)
  const slow = await fetch(`${proxyUrl}/slow`)
  await fixture.use(await client(fixture.clients, 'next'))

  const seen: string[] = []
  const fetchUntilRotated = async (): Promise<void> => {
    while (seen.at(-1) !== '200 CN=next') {
      const response = await fetch(proxyUrl)
      seen.push(`${response.status} ${await response.text()}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, fetchUntilRotated))
  expect(new Set(seen)).toEqual(new Set(['200 CN=app', '200 CN=next']))
  gate.resolve()
  expect(await slow.text()).toBe('CN=app at last')
})
