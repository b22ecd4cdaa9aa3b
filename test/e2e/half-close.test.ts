import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { follow, type RawConnection } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const GET = 'GET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n'
const LARGE = Buffer.alloc(8 * 1024 * 1024, 'large ')

/** An upstream that responds after `release`, and counts of its requests. */
async function startGatedUpstream(body: string | Buffer = 'the response') {
  const gate = Promise.withResolvers<void>()
  const seen = { arrived: 0, whole: 0, aborted: 0 }
  const origin = await startServer((req, res) => {
    seen.arrived += 1
    res.on('close', () => {
      if (!res.writableFinished) seen.aborted += 1
    })
    req.on('error', () => {})
    req.resume().on('end', () => {
      seen.whole += 1
      void gate.promise.then(() => res.end(body))
    })
  })
  return { origin, seen, release: gate.resolve }
}

type Kind = 'TCP over IPv4' | 'TCP over IPv6' | 'a Unix socket'
const KINDS: readonly Kind[] = ['TCP over IPv4', 'TCP over IPv6', 'a Unix socket']

async function startOn(kind: Kind, yaml: string): Promise<RunningSidecar> {
  const path = join(await temporaryDirectory(), 'proxy.sock')
  const listen = {
    'TCP over IPv4': '127.0.0.1:0',
    'TCP over IPv6': '"[::1]:0"',
    'a Unix socket': `unix:${path}`,
  }[kind]
  return await startSidecar(yaml, {}, listen)
}

async function connectTo({ proxyUrl }: RunningSidecar, first: string): Promise<RawConnection> {
  const socket = openSocket(proxyUrl)
  onTestFinished(() => void socket.resetAndDestroy())
  const connection = follow(socket)
  await once(socket, 'connect')
  socket.write(first, 'latin1')
  return connection
}

function openSocket(proxyUrl: string): Socket {
  const path = proxyUrl.startsWith('unix:') ? proxyUrl.slice('unix:'.length) : undefined
  if (path !== undefined) return connect({ path, allowHalfOpen: true })
  const { hostname, port } = new URL(proxyUrl)
  return connect({
    host: hostname.replaceAll(/[[\]]/g, ''),
    port: Number(port),
    allowHalfOpen: true,
  })
}

function bodyOf(received: string): string {
  return received.slice(received.lastIndexOf('\r\n\r\n') + 4)
}

for (const kind of KINDS) {
  test(`over ${kind} a client that half-closes after its request gets the response`, async () => {
    const { origin, seen, release } = await startGatedUpstream()
    const sidecar = await startOn(kind, forwardConfig(origin))
    const client = await connectTo(sidecar, GET)
    const other = await connectTo(sidecar, GET)
    await until(() => seen.whole === 2)
    client.socket.end()
    other.socket.destroy()
    // The sidecar has processed both events by then.
    await until(() => seen.aborted === 1)
    release()
    expect(await client.ended).toBe('end')
    expect(client.received()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(client.received()).toMatch(/^connection: close\r$/im)
    expect(bodyOf(client.received())).toBe('the response')
    expect(seen.aborted).toBe(1)
  })

  test(`over ${kind} the request of a client that closes is aborted`, async () => {
    const { origin, seen } = await startGatedUpstream()
    const sidecar = await startOn(kind, forwardConfig(origin))
    const client = await connectTo(sidecar, GET)
    await until(() => seen.whole === 1)
    client.socket.destroy()
    await until(() => seen.aborted === 1)
    const labels = { route: 'all', code: 'client_closed' }
    expect(await metric(sidecar, 'token_sidecar_request_failures_total', labels)).toBe(1)
  })

  test(`over ${kind} a client may half-close first and close later`, async () => {
    const { origin, seen } = await startGatedUpstream()
    const sidecar = await startOn(kind, forwardConfig(origin))
    const client = await connectTo(sidecar, GET)
    client.socket.end()
    await until(() => seen.whole === 1)
    client.socket.destroy()
    await until(() => seen.aborted === 1)
    expect(seen.arrived).toBe(1)
  })
}

test('a dual-stack listener detects that an IPv4 client closes', async () => {
  const { origin, seen } = await startGatedUpstream()
  const sidecar = await startSidecar(forwardConfig(origin), {}, '"[::]:0"')
  const { port } = new URL(sidecar.proxyUrl)
  const client = await connectTo({ ...sidecar, proxyUrl: `http://127.0.0.1:${port}` }, GET)
  await until(() => seen.whole === 1)
  client.socket.destroy()
  await until(() => seen.aborted === 1)
  expect(seen.arrived).toBe(1)
})

test('a client that closes an IPv6 socket with an IPv4-mapped address is detected', async () => {
  const { origin, seen } = await startGatedUpstream()
  const sidecar = await startSidecar(forwardConfig(origin))
  const { port } = new URL(sidecar.proxyUrl)
  const socket = connect({ host: '::ffff:127.0.0.1', port: Number(port), family: 6 })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.write(GET)
  await until(() => seen.whole === 1)
  socket.destroy()
  await until(() => seen.aborted === 1)
  expect(seen.arrived).toBe(1)
})

test.for([
  { what: 'a GET of HTTP/1.0', request: 'GET /x HTTP/1.0\r\n\r\n' },
  {
    what: 'a GET of HTTP/1.0 with keep-alive',
    request: 'GET /x HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n',
  },
  {
    what: 'a body of known length',
    request: 'PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello',
  },
  {
    what: 'a chunked body',
    request:
      'PUT /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  },
  {
    what: 'a body with an expectation',
    request:
      'PUT /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
  },
  {
    what: 'a request with Connection: close',
    request: 'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  },
])('$what followed by FIN in the same segment gets the response', async ({ request }) => {
  const { origin, seen, release } = await startGatedUpstream()
  release()
  const sidecar = await startSidecar(forwardConfig(origin))
  const client = openSocket(sidecar.proxyUrl)
  const connection = follow(client)
  onTestFinished(() => void client.destroy())
  client.end(request)
  expect(await connection.ended).toBe('end')
  expect(connection.received()).toMatch(/HTTP\/1\.1 200 OK\r\n/)
  expect(connection.received()).toContain('the response')
  expect(seen.aborted).toBe(0)
})

test('a half-closed connection gets a large response completely', async () => {
  const { origin, seen, release } = await startGatedUpstream(LARGE)
  const sidecar = await startSidecar(forwardConfig(origin))
  const client = openSocket(sidecar.proxyUrl)
  onTestFinished(() => void client.destroy())
  client.end(GET)
  await until(() => seen.whole === 1)
  release()
  let bytes = 0
  for await (const chunk of client) bytes += Buffer.byteLength(chunk)
  expect(bytes).toBeGreaterThan(LARGE.length)
  expect(seen.aborted).toBe(0)
})

test('the upstream request is aborted if the client closes in the middle of the response', async () => {
  let isClosed = false
  const upstream = await startServer((_req, res) => {
    const push = (): void => {
      if (!res.destroyed) res.write('more '.repeat(10_000), () => void setImmediate(push))
    }
    res.on('close', () => (isClosed = true))
    push()
  })
  const client = await connectTo(await startSidecar(forwardConfig(upstream)), GET)
  client.socket.end()
  await client.sees('more')
  client.socket.destroy()
  await until(() => isClosed)
  expect(client.received()).toContain('more')
})

test('pipelined requests before a half-close all get responses, in order', async () => {
  const upstream = await startServer((req, res) => void res.end(`response to ${req.url};`))
  const sidecar = await startSidecar(forwardConfig(upstream))
  const client = openSocket(sidecar.proxyUrl)
  const connection = follow(client)
  onTestFinished(() => void client.destroy())
  const targets = Array.from({ length: 30 }, (_, i) => `/${i}`)
  client.end(targets.map((target) => GET.replace('/orders', target)).join(''))
  expect(await connection.ended).toBe('end')
  expect(connection.received().match(/response to [^;]+/g)).toEqual(
    targets.map((target) => `response to ${target}`),
  )
})

test('a truncated pipelined request gets a 400 after the response to the previous one', async () => {
  const { origin, seen, release } = await startGatedUpstream()
  const client = await connectTo(await startSidecar(forwardConfig(origin)), GET)
  await until(() => seen.whole === 1)
  client.socket.end('GET /cut HTTP/1.1\r\nHo')
  release()
  expect(await client.ended).toBe('end')
  expect(client.received().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
})

test('a client that half-closes during the token request gets its response', async () => {
  const gate = Promise.withResolvers<void>()
  const endpoint = await startTokenEndpoint((_request, res) => {
    void gate.promise.then(() => sendToken(res, { access_token: 'TOKEN' }))
  })
  const upstream = await startServer((req, res) => void res.end(req.headers.authorization))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  const client = await connectTo(sidecar, GET)
  client.socket.end()
  await until(() => endpoint.requests.length === 1)
  gate.resolve()
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/\r\n\r\nBearer TOKEN$/)
})

test('a client that closes during the token request causes no upstream request', async () => {
  const gate = Promise.withResolvers<void>()
  const endpoint = await startTokenEndpoint((_request, res) => {
    void gate.promise.then(() => sendToken(res))
  })
  let reached = 0
  const upstream = await startServer((_req, res) => {
    reached += 1
    res.end()
  })
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  const client = await connectTo(sidecar, GET)
  await until(() => endpoint.requests.length === 1)
  client.socket.destroy()
  const labels = { route: 'orders', code: 'client_closed' }
  await until(
    async () => (await metric(sidecar, 'token_sidecar_request_failures_total', labels)) === 1,
  )
  gate.resolve()
  const served = await exchangeRaw(sidecar.proxyUrl, GET, (soFar) => soFar.includes('\r\n\r\n'))
  expect(served).toMatch(/^HTTP\/1\.1 200 /)
  expect(reached).toBe(1)
})

test('error responses of the sidecar reach a half-closed connection', async () => {
  const sidecar = await startSidecar(
    forwardConfig('http://127.0.0.1:1').replace('path: /', 'path: /known'),
  )
  const client = openSocket(sidecar.proxyUrl)
  const connection = follow(client)
  onTestFinished(() => void client.destroy())
  client.end(GET)
  expect(await connection.ended).toBe('end')
  expect(connection.received()).toMatch(/^HTTP\/1\.1 404 [^]*route_not_found/)
})

test.for([
  { what: 'before the length is reached', head: 'Content-Length: 10', body: 'hello' },
  { what: 'before the body begins', head: 'Content-Length: 10', body: '' },
  { what: 'without the last chunk', head: 'Transfer-Encoding: chunked', body: '5\r\nhello\r\n' },
  { what: 'within a chunk', head: 'Transfer-Encoding: chunked', body: '5\r\nhel' },
  {
    what: 'within the trailer section',
    head: 'Transfer-Encoding: chunked',
    body: '5\r\nhello\r\n0\r\nX-A: ',
  },
])(
  'an upload that half-closes $what gets a 400, and the access log says so',
  async ({ head, body }) => {
    const { origin, seen, release } = await startGatedUpstream()
    release()
    const sidecar = await startSidecar(forwardConfig(origin))
    const client = await connectTo(
      sidecar,
      `PUT /x HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n${body}`,
    )
    if (body !== '') await until(() => seen.arrived === 1)
    client.socket.end()
    expect(await client.ended).toBe('end')
    expect(client.received()).toMatch(/^HTTP\/1\.1 400 [^]*before the request was complete/)
    if (body !== '') await until(() => seen.aborted === 1)
    expect(seen.whole).toBe(0)
    await until(async () => (await sidecar.logs()).includes('"path":"/x"'))
    const line = (await sidecar.logs()).split('\n').find((text) => text.includes('"path":"/x"'))
    expect(JSON.parse(line ?? '')).toMatchObject({ status: 400, code: 'request_invalid' })
  },
)

test('an idle connection that half-closes is closed', async () => {
  const { origin, release } = await startGatedUpstream()
  release()
  const client = await connectTo(await startSidecar(forwardConfig(origin)), GET)
  await client.sees('the response')
  client.socket.end()
  expect(await client.ended).toBe('end')
})

test('no second response is sent if the client half-closes during its upload', async () => {
  const upstream = await startServer((_req, res) => {
    res.writeHead(403, { 'content-length': 2 }).end('no')
  })
  const client = await connectTo(
    await startSidecar(forwardConfig(upstream)),
    'PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello',
  )
  await client.sees('\r\n\r\nno')
  client.socket.end()
  await client.ended
  expect(client.received()).toMatch(/\r\n\r\nno$/)
})
