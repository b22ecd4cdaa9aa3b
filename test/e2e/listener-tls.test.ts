import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, request as requestHttps } from 'node:https'
import { connect as connectHttp2 } from 'node:http2'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { type Authority, createAuthority, createSelfSigned } from '../helpers/certificates.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { fastClock } from '../helpers/fast-clock.ts'
import { headersFrame, openFrameClient, requestFields } from '../helpers/http2-frames.ts'
import { metric } from '../helpers/metrics.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const AUTHORITY = await createAuthority()

const IN_FLIGHT = 'token_sidecar_requests_in_flight'

/** The beginning of a record with a ClientHello. */
const CLIENT_HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'

test('HTTP/2 is negotiated by ALPN', async () => {
  const { sidecar } = await start()
  const session = connectHttp2(sidecar.proxyUrl, { ca: AUTHORITY.certificate })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': '/a' })
  expect(await text(stream)).toBe('/a https')
  expect(session.alpnProtocol).toBe('h2')
})

test.for([{ offered: ['http/1.1'] }, { offered: [] }])(
  'HTTP/1.1 is served to a client that offers $offered in ALPN',
  async ({ offered }) => {
    const { sidecar } = await start()
    const agent = new Agent({ ca: AUTHORITY.certificate, ALPNProtocols: offered })
    const request = requestHttps(sidecar.proxyUrl, { agent }).end()
    const [response] = await once(request, 'response')
    expect(await text(response)).toBe('/ https')
  },
)

test('many requests on one connection are served over TLS', async () => {
  const { sidecar } = await start()
  const socket = await negotiateH2(sidecar.proxyUrl)
  const client = await openFrameClient(socket)
  for (let id = 1; id < 100; id += 2) client.send(headersFrame(id, requestFields()))
  for (let id = 1; id < 100; id += 2) {
    expect((await client.response(id)).content.toString()).toBe('/ https')
  }
})

test('with clientCa, only clients with a certificate of that CA are served', async () => {
  const clients = await createAuthority('clients')
  const clientCa = await fileWith(clients.certificate)
  const { sidecar } = await start(`clientCa: { file: ${clientCa} }`)
  const trusted = await clients.issue('app', ['app.example'])
  const foreign = await createSelfSigned('app')
  const call = async (own: { certificate?: string; key?: string }) => {
    const session = connectHttp2(sidecar.proxyUrl, {
      ca: AUTHORITY.certificate,
      ...(own.certificate !== undefined && { cert: own.certificate, key: own.key }),
    })
    onTestFinished(() => session.destroy())
    session.on('error', () => {})
    return await text(session.request()).catch(String)
  }
  expect(await call(trusted)).toBe('/ https')
  for (const own of [foreign, {}]) expect(await call(own)).not.toContain('/ https')
  await until(async () => (await sidecar.logs()).includes('the client sent no certificate'))
  const labels = { listener: 'default', reason: 'certificate' }
  await until(
    async () => (await metric(sidecar, 'token_sidecar_rejected_callers_total', labels)) === 2,
  )
  expect(await sidecar.logs()).toContain('"message":"client certificate not allowed"')
})

test('plain HTTP on a listener with TLS is logged as such', async () => {
  const { sidecar } = await start()
  const origin = sidecar.proxyUrl.replace('https:', 'http:')
  const response = await exchangeRaw(origin, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  expect(response).not.toContain('HTTP/1.1')
  await until(async () => (await sidecar.logs()).includes('the client speaks plain HTTP'))
})

test('a connection that the client ends within the TLS handshake is closed', async () => {
  const { sidecar } = await start()
  const client = await openRaw(sidecar.proxyUrl.replace('https:', 'http:'), CLIENT_HELLO)
  client.socket.end()
  expect(await client.ended).toBe('end')
})

test('a client that half-closes its TLS connection after the request receives the response', async () => {
  const { sidecar, release } = await start()
  const port = Number(new URL(sidecar.proxyUrl).port)
  const options = { port, host: '127.0.0.1', ca: AUTHORITY.certificate, allowHalfOpen: true }
  const socket = connectTls(options)
  await once(socket, 'secureConnect')
  socket.end('GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(async () => (await metric(sidecar, IN_FLIGHT, { route: 'all' })) === 1)
  release()
  expect(await text(socket)).toContain('/held https')
})

test('the sidecar does not start with a certificate that does not match its key', async () => {
  const other = await createSelfSigned('other')
  await expect(start('', other.key)).rejects.toThrow(/private key that belongs to it/)
})

test('new connections use a renewed certificate, and open ones stay open', async () => {
  const { sidecar, files, release } = await start('', undefined, AUTHORITY, fastClock)
  const old = await openFrameClient(await negotiateH2(sidecar.proxyUrl))
  old.send(headersFrame(1, requestFields([], { path: '/held' })))
  const serialOfNew = async () => {
    const socket = await negotiateH2(sidecar.proxyUrl)
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const first = await serialOfNew()
  const renewed = await AUTHORITY.issue('sidecar', ['127.0.0.1', 'localhost'])
  await writeFile(files.cert, renewed.certificate)
  expect(await serialOfNew()).toBe(first)
  await writeFile(files.key, renewed.key)
  await until(async () => (await serialOfNew()) !== first)
  release()
  expect((await old.response(1)).content.toString()).toBe('/held https')
  old.send(headersFrame(3, requestFields([], { path: '/again' })))
  expect((await old.response(3)).content.toString()).toBe('/again https')
})

test('a client authority that changes in its file applies to new connections', async () => {
  const [first, second] = [await createAuthority('first'), await createAuthority('second')]
  const clientCa = await fileWith(first.certificate)
  const { sidecar } = await start(
    `clientCa: { file: ${clientCa} }`,
    undefined,
    AUTHORITY,
    fastClock,
  )
  const own = await second.issue('app', ['app.example'])
  const isServed = async () => {
    const session = connectHttp2(sidecar.proxyUrl, {
      ca: AUTHORITY.certificate,
      cert: own.certificate,
      key: own.key,
    })
    session.on('error', () => {})
    const response = await text(session.request()).catch(String)
    session.destroy()
    return response === '/ https'
  }
  expect(await isServed()).toBe(false)
  await writeFile(clientCa, second.certificate)
  await until(isServed)
})

test('an HTTP/2 client that closes its TLS connection cancels its request, and no other', async () => {
  const { sidecar, release } = await start()
  const held = headersFrame(1, requestFields([], { path: '/held' }))
  const other = await openFrameClient(await negotiateH2(sidecar.proxyUrl))
  other.send(held)
  const client = await openFrameClient(await negotiateH2(sidecar.proxyUrl))
  client.send(held)
  const openStreams = async () =>
    await metric(sidecar, 'token_sidecar_http2_streams_open', { side: 'client' })
  await until(async () => (await openStreams()) === 2)
  client.socket.destroy()
  await until(async () => (await openStreams()) === 1)
  release()
  expect((await other.response(1)).content.toString()).toBe('/held https')
})

test('URLs that point to the upstream are rewritten to https', async () => {
  const { sidecar, origin } = await start()
  const session = connectHttp2(sidecar.proxyUrl, { ca: AUTHORITY.certificate })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': '/redirect' })
  const [headers] = await once(stream, 'response')
  expect([headers.location, origin]).toEqual([`${sidecar.proxyUrl}/there`, origin])
})

async function negotiateH2(origin: string) {
  const options = { host: '127.0.0.1', ca: AUTHORITY.certificate, ALPNProtocols: ['h2'] }
  const socket = connectTls({ port: Number(new URL(origin).port), ...options })
  await once(socket, 'secureConnect')
  return socket
}

async function start(
  settings = '',
  otherKey?: string,
  authority: Authority = AUTHORITY,
  clock?: Clock,
) {
  const { certificate, key } = await authority.issue('sidecar', ['127.0.0.1', 'localhost'])
  const [certFile, keyFile] = [await fileWith(certificate), await fileWith('')]
  await writeFile(keyFile, otherKey ?? key)
  const gate = Promise.withResolvers<void>()
  const origin = await startServer((req, res) => {
    res.setHeader('location', `http://${req.headers.host}/there`)
    const end = () => res.end(`${req.url} ${String(req.headers['x-forwarded-proto'])}`)
    if (req.url === '/held') void gate.promise.then(end)
    else end()
  })
  const tls = `{ cert: { file: ${certFile} }, key: { file: ${keyFile} }, ${settings} }`
  const listen = `{ address: "127.0.0.1:0", tls: ${tls} }`
  const config = forwardConfig(origin, 'forwarded: x-forwarded')
  const sidecar = await startSidecar(config, {}, listen, undefined, clock)
  const files = { cert: certFile, key: keyFile }
  return { sidecar, files, origin, release: gate.resolve }
}
