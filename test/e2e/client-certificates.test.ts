import { once } from 'node:events'
import { Agent, request as requestHttps } from 'node:https'
import { connect as connectHttp2 } from 'node:http2'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { type Certificate, createAuthority } from '../helpers/certificates.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar } from '../helpers/sidecar.ts'

const SERVERS = await createAuthority('servers')
const CLIENTS = await createAuthority('clients')

const NAMES =
  '{ commonNames: [billing], dnsNames: [Billing.corp.internal], uris: ["spiffe://corp.example/billing"] }'

test.for([
  { what: 'an allowed common name', subject: 'billing', names: ['x.internal'] },
  { what: 'an allowed DNS name', subject: 'x', names: ['a.internal', 'billing.corp.internal'] },
  { what: 'an allowed URI', subject: 'x', names: ['spiffe://corp.example/billing'] },
])('a client certificate with $what is served over HTTP/1.1 and HTTP/2', async (given) => {
  const { sidecar, received } = await start()
  const own = await CLIENTS.issue(given.subject, given.names)
  expect(await callHttp1(sidecar, own)).toMatchObject({ status: 200 })
  expect(await callHttp2(sidecar, own)).toMatchObject({ status: 200 })
  expect(received).toHaveLength(2)
})

test.for([
  {
    what: 'other names',
    subject: 'other',
    names: ['other.internal', 'spiffe://corp.example/other'],
  },
  {
    what: 'an allowed DNS name as its common name',
    subject: 'billing.corp.internal',
    names: ['x'],
  },
  { what: 'an allowed common name as a DNS name', subject: 'x', names: ['billing'] },
  { what: 'a wildcard for an allowed DNS name', subject: 'x', names: ['*.corp.internal'] },
  { what: 'a DNS name below an allowed one', subject: 'x', names: ['a.billing.corp.internal'] },
  { what: 'a URI below an allowed one', subject: 'x', names: ['spiffe://corp.example/billing/a'] },
  {
    what: 'an allowed URI within another URI',
    subject: 'x',
    names: ['http://evil.example/?, URI:spiffe://corp.example/billing'],
  },
])('a client certificate with $what gets 403 over HTTP/1.1 and HTTP/2', async (given) => {
  const { sidecar, received } = await start()
  const own = await CLIENTS.issue(given.subject, given.names)
  for (const call of [callHttp1, callHttp2]) {
    const { status, body } = await call(sidecar, own)
    expect({ status, body }).toEqual({
      status: 403,
      body: expect.stringContaining('client_denied'),
    })
  }
  expect(received).toEqual([])
  const labels = { listener: 'default', reason: 'certificate' }
  expect(await metric(sidecar, 'token_sidecar_rejected_callers_total', labels)).toBe(2)
  const logs = await sidecar.logs()
  expect(logs).toContain('"message":"client certificate not allowed"')
  expect(logs).toContain(`"caller":"${given.subject}"`)
})

test.for(['TLSv1.2', 'TLSv1.3'] as const)(
  'the names of the client certificate are verified on a resumed session of %s',
  async (version) => {
    const { sidecar } = await start()
    for (const [subject, status] of [
      ['billing', '200'],
      ['other', '403'],
    ] as const) {
      const own = await CLIENTS.issue(subject, ['x'])
      const session = Promise.withResolvers<Buffer>()
      const first = await openTls(sidecar, own, version, undefined, session.resolve)
      expect(await exchange(first)).toContain(`HTTP/1.1 ${status} `)
      const second = await openTls(sidecar, own, version, await session.promise)
      expect(second.isSessionReused()).toBe(true)
      expect(await exchange(second)).toContain(`HTTP/1.1 ${status} `)
    }
  },
)

test('CONNECT with a client certificate that is not allowed gets 403', async () => {
  const { sidecar } = await start('forward: pass')
  const own = await CLIENTS.issue('other', ['x'])
  const socket = await openTls(sidecar, own, 'TLSv1.3')
  expect(
    await exchange(socket, 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  ).toMatch(/^HTTP\/1\.1 403 .*the listener does not allow the client certificate/)
})

test('a listener with basic and clientCertificates requires both', async () => {
  const { sidecar } = await start('', 'basic: [{ username: a, password: { value: b } }]')
  const [allowed, other] = [await CLIENTS.issue('billing', []), await CLIENTS.issue('other', [])]
  const valid = { 'proxy-authorization': `Basic ${btoa('a:b')}` }
  expect(await callHttp1(sidecar, allowed, valid)).toMatchObject({ status: 200 })
  expect(await callHttp1(sidecar, allowed)).toMatchObject({ status: 407 })
  expect(await callHttp1(sidecar, other, valid)).toMatchObject({ status: 403 })
})

test('the access log names the client certificate of a request', async () => {
  const { sidecar } = await start()
  await callHttp1(sidecar, await CLIENTS.issue('x', ['spiffe://corp.example/billing']))
  expect(await sidecar.logs()).toContain('"caller":"spiffe://corp.example/billing"')
})

async function start(top = '', auth = '') {
  const received: unknown[] = []
  const api = await startServer((req, res) => {
    received.push(req.url)
    res.end('served')
  })
  const { certificate, key } = await SERVERS.issue('sidecar', ['127.0.0.1'])
  const [cert, keyFile] = [await fileWith(certificate), await fileWith(key)]
  const clientCa = await fileWith(CLIENTS.certificate)
  const tls = `{ cert: { file: ${cert} }, key: { file: ${keyFile} }, clientCa: { file: ${clientCa} } }`
  const sidecar = await startSidecar(
    `${forwardConfig(api)}\n${top}`,
    {},
    `{ address: "127.0.0.1:0", tls: ${tls}, auth: { clientCertificates: ${NAMES}, ${auth} } }`,
  )
  return { sidecar, received }
}

async function callHttp1(
  { proxyUrl }: RunningSidecar,
  { certificate: cert, key }: Certificate,
  headers: Readonly<Record<string, string>> = {},
) {
  const agent = new Agent({ ca: SERVERS.certificate, cert, key })
  const request = requestHttps(proxyUrl, { agent, headers }).end()
  const [response] = await once(request, 'response')
  return { status: Number(response.statusCode), body: await text(response) }
}

async function callHttp2({ proxyUrl }: RunningSidecar, { certificate: cert, key }: Certificate) {
  const session = connectHttp2(proxyUrl, { ca: SERVERS.certificate, cert, key })
  onTestFinished(() => session.destroy())
  const stream = session.request()
  const [headers] = await once(stream, 'response')
  return { status: Number(headers[':status']), body: await text(stream) }
}

async function openTls(
  { proxyUrl }: RunningSidecar,
  { certificate: cert, key }: Certificate,
  version: 'TLSv1.2' | 'TLSv1.3',
  session?: Buffer,
  onSession: (session: Buffer) => void = () => {},
): Promise<TLSSocket> {
  const socket = connectTls({
    port: Number(new URL(proxyUrl).port),
    host: '127.0.0.1',
    ca: SERVERS.certificate,
    cert,
    key,
    minVersion: version,
    maxVersion: version,
    session,
  })
  onTestFinished(() => void socket.destroy())
  socket.on('session', onSession)
  await once(socket, 'secureConnect')
  return socket
}

async function exchange(
  socket: TLSSocket,
  request = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
): Promise<string> {
  socket.write(request)
  return await text(socket)
}
