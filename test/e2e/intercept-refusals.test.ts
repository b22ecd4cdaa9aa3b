import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { createServer } from 'node:net'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { startHttp2Server } from '../helpers/http2-upstream.ts'
import {
  INTERCEPTED_TOKEN,
  openIntercepted,
  openTunnelTo,
  startIntercepting,
  type InterceptingSidecar,
} from '../helpers/interception.ts'
import { metric } from '../helpers/metrics.ts'
import { follow, openRaw } from '../helpers/raw-connection.ts'
import { portOf, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/** Interception of several hosts, and the requests that have reached their upstream. */
async function startHosts(more = '') {
  const served: string[] = []
  const upstream = await startServer((req, res) => {
    served.push(`${req.headers.authorization} ${req.url}`)
    res.end('served')
  })
  const hosts = ['api.test', 'other.test', '*.wild.test', '127.0.0.2', '[::1]', 'api.test:8443']
  const sidecar = await startIntercepting(
    hosts.map((host) => ({ host, upstream })),
    more,
  )
  return { sidecar, served }
}

const handshakes = async (
  sidecar: Pick<InterceptingSidecar, 'adminUrl'>,
  outcome: string,
  host = 'api.test',
): Promise<number | undefined> =>
  await metric(sidecar, 'token_sidecar_intercept_handshakes_total', { host, outcome })

const SERVED = [`Bearer ${INTERCEPTED_TOKEN} /`]

test.for([
  { target: 'api.test:443', hosts: ['api.test', 'API.Test', 'api.test.', 'api.test:443'] },
  { target: 'API.TEST.:443', hosts: ['api.test'] },
  { target: 'api.test:8443', hosts: ['api.test:8443'] },
  { target: 'any.wild.test:443', hosts: ['any.wild.test'] },
  { target: '127.0.0.2:443', hosts: ['127.0.0.2', '127.0.0.2:443'] },
  { target: '[::1]:443', hosts: ['[::1]', '[::1]:443', '[0:0:0:0:0:0:0:1]'] },
])('on a connection to $target, requests for $hosts are served', async ({ target, hosts }) => {
  for (const host of hosts) {
    const { sidecar, served } = await startHosts()
    const name = target.toLowerCase().replace(/\.?:\d+$/, '')
    const isAddress = /^[[\d]/.test(name)
    const socket = await openIntercepted(sidecar, target, {
      servername: isAddress ? '' : name,
      host: name.replaceAll(/[[\]]/g, ''),
    })
    const client = follow(socket)
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await client.sees('served')
    expect(served).toEqual(SERVED)
  }
})

test.for([
  'GET / HTTP/1.0\r\n\r\n',
  'GET / HTTP/1.0\r\nHost: api.test\r\n\r\n',
  'GET https://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n',
  'GET HTTPS://API.test:443/ HTTP/1.1\r\nHost: api.test\r\n\r\n',
])('on a connection to api.test, %j is served', async (bytes) => {
  const { sidecar, served } = await startHosts()
  const client = follow(await openIntercepted(sidecar, 'api.test:443'))
  client.socket.write(bytes)
  await client.sees('served')
  expect(served).toEqual(SERVED)
})

test.for([
  'GET / HTTP/1.1\r\nHost: other.test\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: api.test:8443\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: api.test:80\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET / HTTP/1.0\r\nHost: other.test\r\n\r\n',
  'GET https://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n',
  'GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n',
  'GET https://api.test:8443/ HTTP/1.1\r\nHost: api.test:8443\r\n\r\n',
])('on a connection to api.test, %j is misdirected: 421', async (bytes) => {
  const { sidecar, served } = await startHosts()
  const client = follow(await openIntercepted(sidecar, 'api.test:443'))
  client.socket.write(bytes)
  await client.sees('"misdirected_request"')
  expect(client.received()).toContain('421 Misdirected Request')
  expect(served).toEqual([])
})

test.for([
  { path: '/', authority: 'other.test', status: 421 },
  { path: '/', authority: 'api.test:8443', status: 421 },
  { path: '/', authority: 'API.test', status: 200 },
  { path: '/', authority: 'api.test:443', status: 200 },
])('over HTTP/2, :authority $authority on a connection to api.test gets $status', async (sent) => {
  const upstream = await startHttp2Server((stream) => {
    stream.respond({ ':status': 200 })
    stream.end()
  })
  const sidecar = await startIntercepting([
    { host: 'api.test', upstream: upstream.origin, settings: 'http2: always' },
    { host: 'other.test', upstream: upstream.origin, settings: 'http2: always' },
  ])
  const socket = await openIntercepted(sidecar, 'api.test:443', { ALPNProtocols: ['h2'] })
  const session = connectHttp2('https://api.test', { createConnection: () => socket })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': sent.path, ':authority': sent.authority })
  const [headers] = await once(stream, 'response')
  expect(headers).toMatchObject({ ':status': sent.status })
})

test('a gRPC call to another host than that of its connection gets a status, not a problem document', async () => {
  const upstream = await startHttp2Server((stream) => stream.respond({ ':status': 200 }))
  const sidecar = await startIntercepting([
    { host: 'api.test', upstream: upstream.origin, settings: 'http2: always' },
  ])
  const socket = await openIntercepted(sidecar, 'api.test:443', { ALPNProtocols: ['h2'] })
  const session = connectHttp2('https://api.test', { createConnection: () => socket })
  onTestFinished(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test.Echo/Unary',
    ':authority': 'other.test',
    'content-type': 'application/grpc',
  })
  const [headers] = await once(stream, 'response')
  expect(headers).toMatchObject({ ':status': 200, 'grpc-status': '13' })
  expect(String(headers['grpc-message'])).toContain('its connection is to "api.test"')
})

test('a server name other than the host of CONNECT gets 421 for each request, and is counted', async () => {
  const { sidecar, served } = await startHosts()
  const socket = await openIntercepted(sidecar, 'api.test:443', {
    servername: 'other.test',
    checkServerIdentity: () => undefined,
  })
  expect(socket.getPeerCertificate().subjectaltname).toBe('DNS:api.test')
  const client = follow(socket)
  for (const host of ['api.test', 'other.test']) {
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  }
  await until(() => client.received().split('421 Misdirected').length === 3)
  expect(client.received()).toContain('server name of its connection is \\"other.test\\"')
  expect(served).toEqual([])
  expect(await handshakes(sidecar, 'sni_mismatch')).toBe(1)
  expect(await handshakes(sidecar, 'ok')).toBe(0)
})

/** How a TLS handshake that must fail ends for the client. */
async function failingHandshake(
  { proxyUrl, authority }: InterceptingSidecar,
  target: string,
  options: ConnectionOptions,
): Promise<string | undefined> {
  const tunnel = await openTunnelTo(proxyUrl, target)
  const socket = connectTls({ socket: tunnel, ca: authority.certificate, ...options })
  const [error]: NodeJS.ErrnoException[] = await once(socket, 'error')
  return error?.code
}

test.for(['TLSv1.2', 'TLSv1.3'] as const)(
  'a client that sends no server name over %s gets an alert, and is counted and explained',
  async (version) => {
    const { sidecar } = await startHosts()
    const options = { servername: '', minVersion: version, maxVersion: version }
    const code = await failingHandshake(sidecar, 'api.test:443', options)
    expect(code).toMatch(/HANDSHAKE_FAILURE/)
    await until(async () => (await handshakes(sidecar, 'no_sni')) === 1)
    expect(await sidecar.logs()).toContain('the client sent no server name (SNI)')
  },
)

test('a client that offers only protocols that the upstream does not speak gets an alert', async () => {
  const { sidecar } = await startHosts()
  const code = await failingHandshake(sidecar, 'api.test:443', {
    servername: 'api.test',
    ALPNProtocols: ['spdy/3.1'],
  })
  expect(code).toMatch(/NO_APPLICATION_PROTOCOL/)
  await until(async () => (await handshakes(sidecar, 'protocol')) === 1)
  expect(await sidecar.logs()).toContain('\\"spdy/3.1\\" only')
})

test('a Node client that does not trust the CA closes its connection, which is counted and explained', async () => {
  const { sidecar } = await startHosts()
  const code = await failingHandshake(sidecar, 'api.test:443', { servername: 'api.test', ca: [] })
  expect(code).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  await until(async () => (await handshakes(sidecar, 'closed')) === 1)
  const logs = await sidecar.logs()
  expect(logs).toContain('TLS handshake with an application failed')
  expect(logs).toContain('NODE_EXTRA_CA_CERTS')
})

test.for([
  { target: 'unknown.test:443', forward: 'deny', status: 403, says: 'no route is for this host' },
  { target: 'api.test:25', forward: 'deny', status: 403, says: 'only 443 and 80' },
  { target: 'api.test', forward: 'deny', status: 400, says: 'a host and a port' },
  { target: 'unknown.test:25', forward: 'pass', status: 403, says: 'only 443 and 80' },
])('CONNECT $target with "forward: $forward" is refused before TLS: $status', async (refusal) => {
  const { sidecar } = await startHosts(`forward: ${refusal.forward}`)
  const { target, status, says } = refusal
  const client = await openRaw(
    sidecar.proxyUrl,
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
  )
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(client.received()).toContain(says)
})

test('a tunnel to a host that no route names is opened with "forward: pass", and not intercepted', async () => {
  const server = createServer((socket) => void socket.end('not intercepted'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { sidecar } = await startHosts('forward: pass')
  const target = `127.0.0.1:${portOf(server)}`
  const client = await openRaw(
    sidecar.proxyUrl,
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
  )
  await client.sees('not intercepted')
  expect(client.received()).toBe('HTTP/1.1 200 Connection Established\r\n\r\nnot intercepted')
})

test('plain HTTP inside of CONNECT to a host with a route is explained, and counted', async () => {
  const { sidecar, served } = await startHosts()
  for (const port of [443, 80]) {
    const tunnel = await openTunnelTo(sidecar.proxyUrl, `api.test:${port}`)
    const client = follow(tunnel)
    tunnel.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
    expect(await client.ended).toBe('end')
    expect(client.received()).toContain('HTTP/1.1 400 Bad Request')
    expect(client.received()).toContain('plain HTTP inside of CONNECT')
  }
  expect(await handshakes(sidecar, 'plain_http')).toBe(2)
  expect(served).toEqual([])
})

test('CONNECT inside of an intercepted connection is refused', async () => {
  const { sidecar } = await startHosts('forward: pass')
  for (const target of ['other.test:443', 'localhost:8081', 'api.test:443']) {
    const client = follow(await openIntercepted(sidecar, 'api.test:443'))
    client.socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
    await client.sees('CONNECT is not supported inside of an intercepted connection')
    expect(await client.ended).toBe('end')
    expect(client.received()).toMatch(/^HTTP\/1.1 403 /)
  }
})

test('CONNECT inside of an intercepted HTTP/2 connection is refused', async () => {
  const upstream = await startHttp2Server((stream) => stream.respond({ ':status': 200 }))
  const sidecar = await startIntercepting([
    { host: 'api.test', upstream: upstream.origin, settings: 'http2: always' },
  ])
  const socket = await openIntercepted(sidecar, 'api.test:443', { ALPNProtocols: ['h2'] })
  const session = connectHttp2('https://api.test', { createConnection: () => socket })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'api.test:443' })
  const [headers] = await once(stream, 'response')
  expect(headers).toMatchObject({ ':status': 403 })
  expect(await text(stream)).toContain('not supported inside of an intercepted connection')
})

test('without "intercept", CONNECT to a host with a route is refused, and the reason names the setting', async () => {
  const sidecar = await startSidecar(
    `routes: [{ name: api, match: { host: api.test }, upstream: 'http://127.0.0.1:1', credential: none }]`,
  )
  const client = await openRaw(
    sidecar.proxyUrl,
    'CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n',
  )
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/^HTTP\/1.1 403 /)
  expect(client.received()).toContain('or set \\"intercept\\"')
})

test('the connection of a client that stops within its handshake is closed in time', async () => {
  const { sidecar } = await startHosts('limits: { headersTimeout: 200ms }')
  const silent = follow(await openTunnelTo(sidecar.proxyUrl, 'api.test:443'))
  const slow = follow(await openTunnelTo(sidecar.proxyUrl, 'api.test:443'))
  // The head of a record of 512 octets.
  slow.socket.write(Buffer.from([22, 3, 1, 2, 0, 1]))
  await Promise.all([silent.ended, slow.ended])
  expect(await handshakes(sidecar, 'timeout')).toBe(2)
})

test.for([
  { what: 'garbage', bytes: Buffer.from('\u0001\u0002\u0003garbage') },
  { what: 'an empty record', bytes: Buffer.from([22, 3, 1, 0, 0]) },
  { what: 'a record that is too large', bytes: Buffer.from([22, 3, 1, 255, 255, 1, 0, 0, 0]) },
  { what: 'SSL 2', bytes: Buffer.from([128, 46, 1, 0, 2, 0, 21, 0, 0, 0, 16, 1, 0, 128]) },
  {
    what: 'a ClientHello that never ends',
    bytes: Buffer.concat(
      Array.from({ length: 20 }, () =>
        Buffer.concat([Buffer.from([22, 3, 1, 64, 0, 1, 255, 255, 255]), Buffer.alloc(16_380)]),
      ),
    ),
  },
])('$what in place of a ClientHello closes the connection', async ({ bytes }) => {
  const { sidecar } = await startHosts('limits: { headersTimeout: 1s }')
  const client = follow(await openTunnelTo(sidecar.proxyUrl, 'api.test:443'))
  client.socket.write(bytes)
  await client.ended
  const metrics = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
  expect(metrics).toMatch(
    /intercept_handshakes_total\{host="api.test",outcome="(?:other|protocol|timeout)"\} 1/,
  )
})

test('a ClientHello that arrives octet by octet is served', async () => {
  const { sidecar, served } = await startHosts()
  const tunnel = await openTunnelTo(sidecar.proxyUrl, 'api.test:443')
  const transport = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      for (const octet of chunk) tunnel.write(Buffer.from([octet]))
      callback()
    },
  })
  tunnel.setNoDelay(true)
  tunnel.on('data', (chunk: Buffer) => transport.push(chunk))
  const socket = connectTls({
    socket: transport,
    servername: 'api.test',
    ca: sidecar.authority.certificate,
  })
  const client = follow(socket)
  socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
  await client.sees('served')
  expect(served).toEqual(SERVED)
})

test('renegotiation on an intercepted connection closes it', async () => {
  const { sidecar } = await startHosts()
  const socket = await openIntercepted(sidecar, 'api.test:443', { maxVersion: 'TLSv1.2' })
  const client = follow(socket)
  socket.renegotiate({}, () => {})
  expect(await client.ended).toBe('end')
})

test('an error of TLS after the handshake closes the connection', async () => {
  const { sidecar } = await startHosts()
  const tunnel = await openTunnelTo(sidecar.proxyUrl, 'api.test:443')
  const socket = connectTls({
    socket: tunnel,
    servername: 'api.test',
    ca: sidecar.authority.certificate,
  })
  await once(socket, 'secureConnect')
  // Behind the back of the client's TLS: a record whose authentication tag is wrong.
  tunnel.write(Buffer.concat([Buffer.from([23, 3, 3, 0, 40]), Buffer.alloc(40)]))
  expect(await follow(socket).ended).toBe('reset')
})

test('/status and /readyz have the failed handshakes of a host, with a reason and advice', async () => {
  const { sidecar } = await startHosts()
  await failingHandshake(sidecar, 'api.test:443', { servername: '' })
  await until(async () => (await handshakes(sidecar, 'no_sni')) === 1)
  const status = await (await fetch(`${sidecar.adminUrl}/status`)).json()
  expect(status).toMatchObject({ ready: true })
  expect(status).toHaveProperty(
    'interception',
    expect.arrayContaining([
      expect.objectContaining({
        host: 'api.test',
        handshakes: expect.objectContaining({ ok: 0, no_sni: 1 }),
        lastFailure: expect.objectContaining({
          outcome: 'no_sni',
          reason: 'the client sent no server name (SNI)',
          advice: expect.stringContaining('base URL'),
        }),
      }),
    ]),
  )
  const readiness = await (await fetch(`${sidecar.adminUrl}/readyz`)).json()
  expect(readiness).toMatchObject({
    warnings: [
      'host "api.test": the last TLS handshake with an application failed: the client sent no server name (SNI)',
    ],
  })
})
