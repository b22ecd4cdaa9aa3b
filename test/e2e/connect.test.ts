import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { connect, createServer, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { ProxyAgent, request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { follow, openRaw, type RawConnection } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const ROUTES = `
routes:
  - { name: api, match: { host: api.example.com }, upstream: 'http://127.0.0.1:1', credential: none }
  - { name: all, match: { host: '*.internal', path: /v1 }, upstream: 'http://127.0.0.1:1', credential: none }
`

async function startForward(forward: 'deny' | 'pass'): Promise<RunningSidecar> {
  return await startSidecar(`${ROUTES}\nforward: ${forward}`)
}

function connectTo(target: string, more = `Host: ${target}\r\n`): string {
  return `CONNECT ${target} HTTP/1.1\r\n${more}\r\n`
}

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n'

/** A plain TCP server. */
async function startTcpServer(onConnection: (connection: RawConnection) => void) {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    onConnection(follow(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { target: `127.0.0.1:${portOf(server)}`, sockets }
}

/** An open tunnel, with both ends. */
async function openTunnel(early = '') {
  const accepted = Promise.withResolvers<RawConnection>()
  const { target } = await startTcpServer(accepted.resolve)
  const sidecar = await startForward('pass')
  const client = await openRaw(sidecar.proxyUrl, connectTo(target) + early)
  await client.sees(ESTABLISHED)
  return { sidecar, target, client, upstream: await accepted.promise }
}

const tunnelsOpen = async (sidecar: RunningSidecar): Promise<number | undefined> =>
  await metric(sidecar, 'token_sidecar_tunnels_open', { route: '(pass)' })

test('a CONNECT tunnel carries TLS end to end', async () => {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('localhost', ['localhost'])
  const server = createTlsServer({ cert: certificate, key }, (req, res) => {
    res.end(JSON.stringify(req.headers))
  })
  await startListening(server)
  const sidecar = await startForward('pass')
  const dispatcher = new ProxyAgent({
    uri: sidecar.proxyUrl,
    requestTls: { ca: authority.certificate },
  })
  const host = `localhost:${portOf(server)}`
  const { body } = await request(`https://${host}/`, { dispatcher, headers: { a: '1' } })
  expect(await body.json()).toEqual({ a: '1', host, connection: 'keep-alive' })
  expect(await tunnelsOpen(sidecar)).toBe(1)
  await dispatcher.close()
  await until(async () => (await tunnelsOpen(sidecar)) === 0)
})

test('bytes sent together with CONNECT are forwarded first', async () => {
  const { client, upstream } = await openTunnel('first ')
  client.socket.write('second')
  await upstream.sees('second')
  expect(upstream.received()).toBe('first second')
})

test('data that the server sends first through a CONNECT tunnel is forwarded', async () => {
  const { target } = await startTcpServer(({ socket }) => void socket.write('welcome'))
  const sidecar = await startForward('pass')
  const client = await openRaw(sidecar.proxyUrl, connectTo(target))
  await client.sees('welcome')
  expect(client.received()).toBe(`${ESTABLISHED}welcome`)
})

test('each side of a CONNECT tunnel can half-close, and the tunnel is counted and logged at its end', async () => {
  const { sidecar, target, client, upstream } = await openTunnel()
  client.socket.end('question')
  expect(await upstream.ended).toBe('end')
  upstream.socket.write('the ')
  await client.sees('the ')
  upstream.socket.end('answer')
  expect(await client.ended).toBe('end')
  await until(async () => (await tunnelsOpen(sidecar)) === 0)
  const value = async (name: string, labels = {}): Promise<number | undefined> =>
    await metric(sidecar, `token_sidecar_${name}`, { route: '(pass)', ...labels })
  expect(await value('tunnels_opened_total')).toBe(1)
  expect(await value('requests_in_flight')).toBe(0)
  expect(await value('requests_total', { method: 'other', status: '2xx' })).toBe(1)
  expect(await value('tunnel_bytes_total', { direction: 'to_upstream' })).toBe(8)
  expect(await value('tunnel_bytes_total', { direction: 'to_client' })).toBe(10)
  const line = (await sidecar.logs()).trimEnd().split('\n').at(-1) ?? ''
  expect(JSON.parse(line)).toMatchObject({
    route: '(pass)',
    method: 'CONNECT',
    path: target,
    status: 200,
    bytesToUpstream: 8,
    bytesToClient: 10,
    end: 'closed',
  })
})

test.for(['client', 'upstream'] as const)(
  'a reset by the %s of a CONNECT tunnel closes both sides',
  async (side) => {
    const tunnel = await openTunnel()
    tunnel[side].socket.resetAndDestroy()
    await tunnel[side === 'client' ? 'upstream' : 'client'].ended
    await until(async () => (await tunnelsOpen(tunnel.sidecar)) === 0)
    expect(await tunnel.sidecar.logs()).toContain('"end":"reset"')
  },
)

test.for([
  { target: 'api.example.com:443', forward: 'pass', status: 403, says: 'call it by an http URL' },
  { target: 'API.example.com.:443', forward: 'pass', status: 403, says: 'call it by an http URL' },
  { target: 'api.example.com:8443', forward: 'deny', status: 403, says: 'call it by an http URL' },
  { target: 'any.internal:443', forward: 'pass', status: 403, says: 'call it by an http URL' },
  { target: 'example.com:443', forward: 'deny', status: 403, says: 'forward: pass' },
  { target: 'example.com:25', forward: 'pass', status: 403, says: 'well-known ports' },
  { target: '127.0.0.1:22', forward: 'pass', status: 403, says: 'well-known ports' },
  { target: '127.0.0.1:1023', forward: 'pass', status: 403, says: 'well-known ports' },
  { target: 'example.com', forward: 'pass', status: 400, says: 'a host and a port' },
  { target: 'example.com:', forward: 'pass', status: 400, says: 'a host and a port' },
  { target: 'example.com:0', forward: 'pass', status: 400, says: 'a host and a port' },
  { target: 'example.com:65536', forward: 'pass', status: 400, says: 'a host and a port' },
  { target: 'me@example.com:443', forward: 'pass', status: 400, says: 'a host and a port' },
  { target: '[::g]:443', forward: 'pass', status: 400, says: '' },
  { target: '[1:2]:443', forward: 'pass', status: 400, says: 'a host and a port' },
  { target: '/orders', forward: 'pass', status: 400, says: '' },
] as const)('CONNECT $target gets $status with forward: $forward', async (given) => {
  const { target, forward, status, says } = given
  const sidecar = await startForward(forward)
  const response = await exchangeRaw(sidecar.proxyUrl, connectTo(target, 'Host: a\r\n'))
  expect(response.slice(0, 12)).toBe(`HTTP/1.1 ${status}`)
  // RFC 9112 section 4: a reason phrase is one line of text; most clients show nothing else.
  const [phrase = ''] = response.slice('HTTP/1.1 400 '.length).split('\r\n')
  expect(phrase).toMatch(/^[\x20-\x7e]{10,230}$/)
  expect(phrase).toContain(says)
  expect(JSON.parse(response.slice(response.indexOf('\r\n\r\n')))).toMatchObject({
    code: status === 403 ? 'egress_denied' : 'request_invalid',
    detail: expect.stringContaining(says),
  })
})

test('the advice for a rejected CONNECT depends on whether a route names the host', async () => {
  const sidecar = await startForward('deny')
  for (const target of ['api.example.com:443', 'other.example.com:443', 'other.example.com:25']) {
    await exchangeRaw(sidecar.proxyUrl, connectTo(target))
  }
  const status = await (await fetch(`${sidecar.adminUrl}/status`)).text()
  const { failures }: { failures: { advice: string }[] } = JSON.parse(status)
  const advice = failures.map((failure) => failure.advice)
  expect(advice).toEqual([
    expect.stringMatching(/well-known ports.* directly/),
    expect.stringMatching(/"forward: pass".*add a route/),
    expect.stringMatching(/http:\/\/ instead of https:\/\//),
  ])
  expect(advice[2]).not.toMatch(/add a route/)
})

test.for(['', 'Host: a:443\r\nHost: b:443\r\n'])(
  'CONNECT with other than one Host field is rejected: %j',
  async (hosts) => {
    const sidecar = await startForward('pass')
    const response = await exchangeRaw(sidecar.proxyUrl, connectTo('127.0.0.1:1080', hosts))
    expect(response).toMatch(/^HTTP\/1\.1 400 /)
  },
)

test('CONNECT to a closed port gets 502', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  const sidecar = await startForward('pass')
  const response = await exchangeRaw(sidecar.proxyUrl, connectTo(`127.0.0.1:${port}`))
  expect(response).toMatch(/^HTTP\/1\.1 502 /)
  expect(response).toContain('"code":"upstream_unreachable","route":"(pass)"')
  expect(response).toContain('connection refused')
})

/** A server with a full accept queue: connecting to it times out. */
async function startFullQueue(): Promise<string> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const server = require('node:net').createServer()
     server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
     })`,
    { eval: true },
  )
  const [port]: unknown[] = await once(worker, 'message')
  // These fill the accept queue.
  const fillers = Array.from({ length: 4 }, () => connect(Number(port), '127.0.0.1'))
  for (const filler of fillers) filler.on('error', () => {})
  onTestFinished(async () => {
    for (const filler of fillers) filler.destroy()
    await worker.terminate()
  })
  await until(() => fillers.filter(({ connecting }) => !connecting).length >= 2)
  return `127.0.0.1:${Number(port)}`
}

test.for([
  { how: 'half-closes', disconnect: (client: RawConnection) => void client.socket.end() },
  {
    how: 'resets its connection',
    disconnect: (client: RawConnection) => void client.socket.resetAndDestroy(),
  },
])('no tunnel is opened for a client that $how during CONNECT', async ({ disconnect }) => {
  const target = await startFullQueue()
  const sidecar = await startForward('pass')
  const client = await openRaw(sidecar.proxyUrl, connectTo(target))
  await until(
    async () =>
      (await metric(sidecar, 'token_sidecar_requests_in_flight', { route: '(pass)' })) === 1,
  )
  disconnect(client)
  await until(
    async () =>
      (await metric(sidecar, 'token_sidecar_requests_in_flight', { route: '(pass)' })) === 0,
  )
  const route = '(pass)'
  const labels = { route, code: 'client_closed' }
  expect(await metric(sidecar, 'token_sidecar_request_failures_total', labels)).toBe(1)
  expect(await metric(sidecar, 'token_sidecar_tunnels_opened_total', { route })).toBe(0)
  expect(client.received()).toBe('')
})

test('CONNECT that exceeds the connect timeout gets 504', async () => {
  const target = await startFullQueue()
  const sidecar = await startForward('pass')
  const response = await exchangeRaw(sidecar.proxyUrl, connectTo(target))
  expect(response).toMatch(/^HTTP\/1\.1 504 /)
  expect(response).toContain('"code":"upstream_timeout"')
})

test('CONNECT pipelined after a request without a response closes the connection without a tunnel', async () => {
  let arrived = 0
  const upstream = await startServer(() => {
    arrived += 1
  })
  let opened = 0
  const { target } = await startTcpServer(() => {
    opened += 1
  })
  const sidecar = await startSidecar(`${forwardConfig(upstream)}\nforward: pass`)
  const client = await openRaw(sidecar.proxyUrl, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(() => arrived === 1)
  const ended = once(client.socket, 'end')
  client.socket.write(connectTo(target))
  await ended
  expect(client.received()).toBe('')
  expect(opened).toBe(0)
})

test('CONNECT on a connection above the connection limit gets a 503', async () => {
  const { target } = await startTcpServer(() => {})
  const sidecar = await startSidecar(`${ROUTES}\nforward: pass\nlimits: { connections: 1 }`)
  const first = await openRaw(sidecar.proxyUrl, connectTo(target))
  await first.sees(ESTABLISHED)
  const response = await exchangeRaw(sidecar.proxyUrl, connectTo(target))
  expect(response).toMatch(/^HTTP\/1\.1 503 /)
  expect(response).toContain('"code":"too_many_connections"')
})
