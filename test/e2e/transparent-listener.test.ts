import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createAuthority } from '../helpers/certificates.ts'
import { handshakeRecords, helloMessage } from '../helpers/client-hello.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { metric } from '../helpers/metrics.ts'
import { openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startListening, startServer } from '../helpers/servers.ts'
import { startProgramAt, temporaryDirectory } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/*
 * The sidecar is a process of its own here, because it rejects connections of its own process. Clients connect to the
 * listener directly, which looks like a redirected connection.
 */

const authority = await createAuthority()

/** A sidecar with a transparent listener, and routes for these hosts to `upstream`. */
async function startTransparent(hosts: readonly string[], upstream: string, more = '') {
  const cert = await fileWith(authority.certificate)
  const key = await fileWith(authority.key)
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  const configure = async (named: readonly string[]): Promise<void> => {
    const routes = named.map(
      (host) =>
        `  - { name: ${host}, match: { host: ${host} }, upstream: '${upstream}', credential: none, headers: { set: { x-route: ${host} } } }`,
    )
    await writeFile(
      file,
      `listen: { address: "127.0.0.1:0", mode: transparent }
admin: 127.0.0.1:0
intercept: { ca: { cert: { file: ${cert} }, key: { file: ${key} } } }
routes:
${routes.join('\n')}
${more}`,
    )
  }
  await configure(hosts)
  const program = await startProgramAt(file)
  return { program, configure }
}

/** Responds with the route and the path of each request. */
const startEcho = async (): Promise<string> =>
  await startServer((req, res) => void res.end(`${String(req.headers['x-route'])} ${req.url}`))

async function openTls(proxyUrl: string, servername: string): Promise<TLSSocket> {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connectTls({
    host: hostname,
    port: Number(port),
    servername,
    ca: authority.certificate,
  })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

const get = (host: string, target = '/'): string =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

test('requests on one plain connection reach the routes of their hosts', async () => {
  const { program } = await startTransparent(['one.example', 'two.example'], await startEcho())
  const { socket, sees, received } = await openRaw(program.proxyUrl)
  for (const host of ['one.example', 'two.example', 'ONE.example.']) {
    socket.write(`GET /${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await sees(`/${host}`)
  }
  expect(received().match(/\w+\.example \//g)).toEqual([
    'one.example /',
    'two.example /',
    'one.example /',
  ])
})

test.for([
  ['a host that no route names', get('other.example'), 403],
  ['an address', get('192.0.2.1'), 403],
  ['the address of the listener', get('127.0.0.1:15001'), 403],
  ['a name of the loopback interface', get('localhost'), 403],
  ['another port of the host', get('one.example:8080'), 200],
  ['no host, in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 403],
  ['no host, in HTTP/1.1', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: one.example\r\nHost: two.example\r\n\r\n', 400],
  ['a target in absolute-form', get('one.example', 'http://one.example/'), 200],
  ['a target in absolute-form with https', get('one.example', 'https://one.example/'), 421],
  ['CONNECT', 'CONNECT one.example:443 HTTP/1.1\r\nHost: one.example:443\r\n\r\n', 403],
  [
    'CONNECT to another host',
    'CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n',
    403,
  ],
] as const)(
  'a plain request for %s is answered with the right status',
  async ([, request, status]) => {
    // Other requests of a proxy would pass.
    const { program } = await startTransparent(['one.example'], await startEcho(), 'forward: pass')
    const response = await exchangeRaw(program.proxyUrl, request, (all) => all.includes('\r\n\r\n'))
    expect(response.slice(0, 12)).toBe(`HTTP/1.1 ${status}`)
  },
)

test('the response to a plain request for a host that no route names is the last of its connection', async () => {
  const { program } = await startTransparent(['one.example'], await startEcho())
  const socket = connect(Number(new URL(program.proxyUrl).port), '127.0.0.1')
  socket.write(get('other.example').replace('Connection: close\r\n', ''))
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 [^]*\r\nConnection: close\r\n/)
  const series = 'token_sidecar_rejected_connections_total'
  expect(await metric(program, series, { reason: 'unknown_host' })).toBe(1)
  await until(() => program.output().includes('"message":"redirected connection rejected"'))
  expect(program.output()).toContain('"host":"other.example"')
})

test('a request for another host than that of TLS gets 421', async () => {
  const { program } = await startTransparent(['one.example', 'two.example'], await startEcho())
  const socket = await openTls(program.proxyUrl, 'one.example')
  socket.write(get('two.example'))
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 421 /)
})

test('a WebSocket is opened over redirected TLS', async () => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const { program } = await startTransparent(['one.example'], await startListening(server))
  const secure = await openTls(program.proxyUrl, 'one.example')
  const client = new WebSocket('ws://one.example/', { createConnection: () => secure })
  onTestFinished(() => {
    client.terminate()
    for (const socket of sockets.clients) socket.terminate()
  })
  await once(client, 'open')
  client.send('ping')
  const [message]: Buffer[] = await once(client, 'message')
  expect(message?.toString()).toBe('ping')
})

test('a reload adds and removes hosts', async () => {
  const { program, configure } = await startTransparent(['one.example'], await startEcho())
  await expect(openTls(program.proxyUrl, 'two.example')).rejects.toThrow('ECONNRESET')
  await configure(['two.example'])
  program.process.kill('SIGHUP')
  await until(() => program.output().includes('configuration reloaded'))
  const socket = await openTls(program.proxyUrl, 'two.example')
  socket.write(get('two.example'))
  expect(await text(socket)).toContain('two.example /')
  await expect(openTls(program.proxyUrl, 'one.example')).rejects.toThrow('ECONNRESET')
})

test('TLS beyond the limit of connections is reset, and plain HTTP gets 503', async () => {
  const { program } = await startTransparent(
    ['one.example'],
    await startEcho(),
    'limits: { connections: 1 }',
  )
  const first = await openTls(program.proxyUrl, 'one.example')
  await expect(openTls(program.proxyUrl, 'one.example')).rejects.toThrow('ECONNRESET')
  expect(await exchangeRaw(program.proxyUrl, get('one.example'))).toMatch(/^HTTP\/1\.1 503 /)
  const labels = { reason: 'too_many_connections' }
  expect(await metric(program, 'token_sidecar_rejected_connections_total', labels)).toBe(1)
  first.destroy()
  await once(first, 'close')
  await until(async () =>
    (await exchangeRaw(program.proxyUrl, get('one.example'))).startsWith('HTTP/1.1 200'),
  )
})

test('SIGTERM closes idle connections at once, and completes requests', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const upstream = await startServer((_req, res) => {
    arrived += 1
    void gate.promise.then(() => res.end('finished'))
  })
  const { program } = await startTransparent(
    ['one.example'],
    upstream,
    'shutdown: { deadline: 1h }',
  )
  const idle = await openRaw(program.proxyUrl)
  const idleSecure = await openTls(program.proxyUrl, 'one.example')
  const secure = await openTls(program.proxyUrl, 'one.example')
  secure.write(get('one.example'))
  await until(() => arrived === 1)
  const stopped = program.stop()
  expect(await idle.ended).toBe('end')
  await once(idleSecure, 'close')
  gate.resolve()
  expect(await text(secure)).toContain('finished')
  expect(await stopped).toEqual({ code: 0 })
})

test('the shutdown deadline ends a ClientHello that is incomplete', async () => {
  const { program } = await startTransparent(
    ['one.example'],
    await startEcho(),
    'shutdown: { deadline: 100ms }',
  )
  const hello = handshakeRecords(helloMessage({ serverName: 'one.example' }))
  const { socket, ended } = await openRaw(program.proxyUrl)
  socket.write(hello.subarray(0, 40))
  // A later connection has been accepted after this one.
  expect(await exchangeRaw(program.proxyUrl, get('one.example'))).toContain('200 OK')
  expect(await program.stop()).toEqual({ code: 0 })
  expect(['end', 'reset']).toContain(await ended)
})

test('an incomplete ClientHello is reset after headersTimeout', async () => {
  const { program } = await startTransparent(
    ['one.example'],
    await startEcho(),
    'limits: { headersTimeout: 200ms }',
  )
  const { ended } = await openRaw(program.proxyUrl, '\x16\x03\x01')
  expect(await ended).toBe('reset')
  await until(() => program.output().includes('"reason":"timeout"'))
})

test('a request head that is incomplete after headersTimeout gets 408', async () => {
  const { program } = await startTransparent(
    ['one.example'],
    await startEcho(),
    'limits: { headersTimeout: 200ms }',
  )
  const response = await exchangeRaw(program.proxyUrl, 'GET / HTTP/1.1\r\nHost: one.ex')
  expect(response).toMatch(/^HTTP\/1\.1 408 /)
})

test('many rejected connections leave no open connection behind', async () => {
  const { program } = await startTransparent(['one.example'], await startEcho())
  const hello = handshakeRecords(helloMessage({ serverName: 'other.example' }))
  for (let round = 0; round < 20; round += 1) {
    const opened = await Promise.all(
      Array.from({ length: 50 }, async () => await openRaw(program.proxyUrl)),
    )
    const ends = opened.map(({ socket, ended }) => {
      socket.write(hello)
      return ended
    })
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['reset']))
  }
  const labels = { reason: 'unknown_host' }
  expect(await metric(program, 'token_sidecar_rejected_connections_total', labels)).toBe(1_000)
  const logged = () => program.output().match(/redirected connection rejected/g)?.length
  await until(() => logged() !== undefined)
  expect(logged()).toBe(1)
  const response = await exchangeRaw(program.proxyUrl, get('one.example'))
  expect(response).toContain('200 OK')
})
