import { createHash, randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { follow, openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw, startRawUpstream } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import {
  handshake,
  HANDSHAKE,
  startSwitchingServer,
  SWITCHING,
} from '../helpers/switching-server.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const MIB = 1024 ** 2

/** The bytes in chunks of random size. */
function* inChunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const length = randomInt(1, 128 * 1024)
    yield bytes.subarray(at, at + length)
    at += length
  }
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Digest of all data; iterating over the socket would destroy it at the end, the other direction included. */
async function digestOf(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  socket.on('data', (chunk: Buffer) => void hash.update(chunk))
  await once(socket, 'end')
  return hash.digest('hex')
}

test('an upgrade request gets the token, and its 101 is forwarded', async () => {
  const upstream = await startRawUpstream((received, socket) => {
    if (received.endsWith('\r\n\r\n')) {
      socket.write(
        `HTTP/1.1 101 Whatever\r\nX-One: 1\r\nconnection: X-Hop, Upgrade\r\nX-Hop: 1\r\nUPGRADE: custom/1\r\n\r\n`,
      )
    }
  })
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN' }),
  )
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: `${upstream.origin}/v2` }),
  )
  const client = await openRaw(
    sidecar.proxyUrl,
    'GET /orders/live?a=1 HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, X-Secret\r\n' +
      'X-Secret: 1\r\nX-Kept: 1\r\nAuthorization: mine\r\nUpgrade: Custom/1\r\n\r\n',
  )
  await client.sees('\r\n\r\n')
  expect(upstream.connections[0]?.received.split('\r\n')).toEqual([
    'GET /v2/live?a=1 HTTP/1.1',
    `Host: ${upstream.origin.slice('http://'.length)}`,
    'X-Kept: 1',
    'Via: 1.1 token-sidecar',
    'Authorization: Bearer TOKEN',
    'Connection: upgrade',
    'Upgrade: Custom/1',
    '',
    '',
  ])
  expect(client.received().split('\r\n')).toEqual([
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: custom/1',
    'X-One: 1',
    'Via: 1.1 token-sidecar',
    '',
    '',
  ])
})

test('a tunnel carries megabytes in both directions at once', async () => {
  const upwards = randomBytes(5 * MIB)
  const downwards = randomBytes(7 * MIB)
  const arrived = Promise.withResolvers<string>()
  const upstream = await startSwitchingServer((socket) => {
    socket.write(SWITCHING)
    arrived.resolve(digestOf(socket))
    void pipeline(Readable.from(inChunks(downwards)), socket)
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const { socket } = await openRaw(sidecar.proxyUrl)
  const hash = createHash('sha256')
  let head = ''
  socket.on('data', (chunk: Buffer) => {
    if (head.endsWith('\r\n\r\n')) {
      hash.update(chunk)
      return
    }
    const end = chunk.indexOf('\r\n\r\n') + 4
    head += chunk.toString('latin1', 0, end)
    hash.update(chunk.subarray(end))
  })
  const ended = once(socket, 'end')
  socket.write(handshake())
  await pipeline(Readable.from(inChunks(upwards)), socket)
  await ended
  expect(await arrived.promise).toBe(digest(upwards))
  expect(hash.digest('hex')).toBe(digest(downwards))
})

test.for(['upstream', 'client'] as const)(
  'backpressure of the %s reaches the other side of a tunnel',
  async (slow) => {
    const sides = Promise.withResolvers<Socket>()
    const upstream = await startSwitchingServer((socket) => {
      socket.write(SWITCHING)
      sides.resolve(socket)
    })
    const sidecar = await startSidecar(forwardConfig(upstream.origin))
    const client = await openRaw(sidecar.proxyUrl, handshake())
    await client.sees('\r\n\r\n')
    const peer = await sides.promise
    const [writer, reader] = slow === 'upstream' ? [client.socket, peer] : [peer, client.socket]
    const part = Buffer.alloc(64 * 1024, 'x')
    let read = 0
    reader.on('data', (chunk: Buffer) => {
      read += chunk.length
    })
    reader.pause()
    let written = 0
    // The operating system buffers some megabytes.
    while (writer.writableLength < MIB && written < 256 * MIB) {
      writer.write(part)
      written += part.length
      await new Promise(setImmediate)
    }
    expect(written).toBeLessThan(64 * MIB)
    writer.end()
    reader.resume()
    await until(() => read === written)
    reader.end()
  },
)

test('bytes that the client sends with its upgrade request are forwarded first', async () => {
  const peers: ReturnType<typeof follow>[] = []
  const upstream = await startSwitchingServer((socket, _request, early) => {
    peers.push(follow(socket))
    socket.unshift(early)
    socket.write(SWITCHING)
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const client = await openRaw(sidecar.proxyUrl, `${handshake()}first `)
  client.socket.write('second ')
  await client.sees('\r\n\r\n')
  client.socket.write('third')
  await until(() => peers[0]?.received().endsWith('third') === true)
  expect(peers[0]?.received()).toBe('first second third')
})

test('bytes that the upstream sends with its 101 are forwarded first', async () => {
  const upstream = await startSwitchingServer((socket) => {
    socket.write(`${SWITCHING}first `)
    socket.write('second ')
    setImmediate(() => socket.write('third'))
    socket.resume().on('end', () => socket.end())
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  for (let round = 0; round < 20; round += 1) {
    const client = await openRaw(sidecar.proxyUrl, handshake())
    await client.sees('third')
    expect(client.received()).toContain('\r\n\r\nfirst second third')
    client.socket.destroy()
  }
})

const LARGE = 'x'.repeat(16 * MIB)

test.for([
  { status: 200, headers: {}, body: 'no tunnel here' },
  { status: 302, headers: { location: '/elsewhere' }, body: '' },
  { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' }, body: 'who?' },
  { status: 403, headers: { 'x-why': 'closed' }, body: LARGE },
])(
  'a $status response to an upgrade request is forwarded completely',
  async ({ status, headers, body }) => {
    const upstream = await startServer((_req, res) => void res.writeHead(status, headers).end(body))
    const sidecar = await startSidecar(forwardConfig(upstream))
    const response = await fetchHandshake(sidecar.proxyUrl)
    expect(response.status).toBe(status)
    expect(response.head).toMatch(/^connection: close$/im)
    for (const [name, value] of Object.entries(headers)) {
      expect(response.head.toLowerCase()).toContain(`\r\n${name}: ${value}`.toLowerCase())
    }
    expect(response.body).toBe(body)
    expect(await metric(sidecar, 'token_sidecar_requests_in_flight', { route: 'all' })).toBe(0)
  },
)

test('backpressure applies to a large response to an upgrade request', async () => {
  const responding = Promise.withResolvers<Socket>()
  const upstream = await startServer((req, res) => {
    res.writeHead(403).end(LARGE)
    responding.resolve(req.socket)
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const client = await openRaw(sidecar.proxyUrl)
  client.socket.pause()
  client.socket.write(handshake())
  await untilBlocked(await responding.promise)
  client.socket.resume()
  expect(await client.ended).toBe('end')
  expect(client.received().length).toBeGreaterThan(LARGE.length)
})

/** Waits until writing to the socket has stopped because of backpressure. */
async function untilBlocked(socket: Socket): Promise<void> {
  let seen = 0
  let unchanged = 0
  await until(() => {
    unchanged = socket.bytesWritten === seen ? unchanged + 1 : 0
    seen = socket.bytesWritten
    return unchanged === 10
  })
}

/** Sends an upgrade request, and reads the response until the connection ends. */
async function fetchHandshake(origin: string, path = '/orders', headers = HANDSHAKE) {
  const response = await exchangeRaw(origin, handshake(path, headers))
  const headEnd = response.indexOf('\r\n\r\n')
  const head = response.slice(0, headEnd)
  const rest = response.slice(headEnd + 4)
  return {
    status: Number(response.slice('HTTP/1.1 '.length, 'HTTP/1.1 '.length + 3)),
    head,
    body: /^transfer-encoding: chunked$/im.test(head) ? dechunk(rest) : rest,
  }
}

function dechunk(text: string): string {
  let body = ''
  let at = 0
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    const length = Number.parseInt(text.slice(at, lineEnd), 16)
    if (!(length > 0)) return body
    body += text.slice(lineEnd + 2, lineEnd + 2 + length)
    at = lineEnd + 2 + length + 2
  }
}

test('an upgrade request is replayed with a new token after a 401', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: `token-${endpoint.requests.length}` }),
  )
  const upstream = await startSwitchingServer((socket, request) => {
    if (request.headers.authorization === 'Bearer token-2') {
      socket.write(`${SWITCHING}welcome`)
      socket.pipe(socket)
    } else {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nConnection: close\r\n\r\nold!')
    }
  })
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: upstream.origin }),
  )
  const client = await openRaw(sidecar.proxyUrl, `${handshake()}echo`)
  await client.sees('\r\n\r\nwelcomeecho')
  expect(client.received()).toMatch(/^HTTP\/1\.1 101 /)
  expect(client.received()).not.toContain('old!')
  expect(upstream.handshakes.map(({ headers }) => headers.authorization)).toEqual([
    'Bearer token-1',
    'Bearer token-2',
  ])
  expect(endpoint.requests).toHaveLength(2)
  expect(await metric(sidecar, 'token_sidecar_replays_total', { route: 'orders' })).toBe(1)
})

test('the second 401 to an upgrade request is forwarded', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.writeHead(401).end('never'))
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream }))
  expect(await fetchHandshake(sidecar.proxyUrl)).toMatchObject({ status: 401, body: 'never' })
})

test('an upgrade request without an available token fails with a problem response', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => void res.writeHead(503).end())
  const upstream = await startSwitchingServer((socket) => void socket.write(SWITCHING))
  const sidecar = await startSidecar(
    endpointConfig({
      endpoint: endpoint.url,
      upstream: upstream.origin,
      route: 'timeouts: { token: 300ms }',
    }),
  )
  const { status, head, body } = await fetchHandshake(sidecar.proxyUrl)
  expect(status).toBe(503)
  expect(head).toContain('Content-Type: application/problem+json')
  expect(JSON.parse(body)).toMatchObject({ code: 'token_unavailable', route: 'orders' })
  expect(upstream.handshakes).toHaveLength(0)
})

test('an upgrade request without a route gets 404', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' }),
  )
  const { status, body } = await fetchHandshake(sidecar.proxyUrl, '/elsewhere')
  expect(status).toBe(404)
  expect(JSON.parse(body)).toMatchObject({ code: 'route_not_found' })
})

test('an upgrade request gets 502 if the upstream refuses the connection', async () => {
  const sidecar = await startSidecar(forwardConfig('http://127.0.0.1:1'))
  const { status, body } = await fetchHandshake(sidecar.proxyUrl)
  expect(status).toBe(502)
  expect(JSON.parse(body)).toMatchObject({ code: 'upstream_unreachable' })
})

test('an upgrade request gets 502 if the upstream resets the connection', async () => {
  const upstream = await startSwitchingServer((socket) => void socket.destroy())
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const { status, body } = await fetchHandshake(sidecar.proxyUrl)
  expect(status).toBe(502)
  expect(JSON.parse(body)).toMatchObject({ code: 'upstream_reset' })
})

test('an upgrade request gets 504 if the upstream does not respond', async () => {
  const upstream = await startSwitchingServer((socket) => {
    socket.resume().on('end', () => socket.end())
  })
  const sidecar = await startSidecar(
    forwardConfig(upstream.origin, 'timeouts: { response: 300ms }'),
  )
  const { status, body } = await fetchHandshake(sidecar.proxyUrl)
  expect(status).toBe(504)
  expect(JSON.parse(body)).toMatchObject({ code: 'upstream_timeout' })
  await until(() => upstream.open.size === 0)
})

// RFC 9110 section 7.8: a 101 has to name the new protocol, which must be one that the client offered.
test.for([
  { what: 'another protocol', response: 'Connection: Upgrade\r\nUpgrade: other\r\n' },
  { what: 'another version', response: 'Connection: Upgrade\r\nUpgrade: custom/2\r\n' },
  {
    what: 'an additional protocol',
    response: 'Connection: Upgrade\r\nUpgrade: custom/1, other\r\n',
  },
  { what: 'no named protocol', response: 'Connection: Upgrade\r\n' },
  { what: 'a protocol without Connection: Upgrade', response: 'Upgrade: custom/1\r\n' },
])('a 101 that switches to $what is rejected', async ({ response }) => {
  const upstream = await startRawUpstream((_received, socket) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${response}\r\nwelcome`)
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const { status, body } = await fetchHandshake(sidecar.proxyUrl)
  expect(status).toBe(502)
  expect(JSON.parse(body)).toMatchObject({ code: 'upstream_protocol' })
  expect(await metric(sidecar, 'token_sidecar_tunnels_opened_total', { route: 'all' })).toBe(0)
})

test('an unsolicited 101 is rejected', async () => {
  const upstream = await startRawUpstream((_received, socket) => void socket.write(SWITCHING))
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({ code: 'upstream_protocol' })
})

test('the upstream chooses one of several upgrade protocols', async () => {
  const upstream = await startSwitchingServer((socket) => void socket.write(SWITCHING))
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const headers = 'Connection: Upgrade\r\nUpgrade: custom/2\r\nUpgrade: other, CUSTOM/1\r\n'
  const client = await openRaw(sidecar.proxyUrl, handshake('/', headers))
  await client.sees('Upgrade: custom/1')
  expect(upstream.handshakes[0]?.headers.upgrade).toBe('custom/2, other, CUSTOM/1')
})

test.for([
  {
    what: 'HTTP/2',
    lines: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n',
  },
  { what: 'HTTP/2 or a WebSocket', lines: 'Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n' },
  {
    what: 'HTTP/2 in a second field line',
    lines: 'Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: H2C\r\n',
  },
  { what: 'a protocol without Connection: Upgrade', lines: 'Upgrade: custom/1\r\n' },
  {
    what: 'a protocol in a request with a body',
    lines: `${HANDSHAKE}Transfer-Encoding: chunked\r\n`,
  },
])('an Upgrade to $what is not forwarded', async ({ lines }) => {
  const upstream = await startRawUpstream((_received, socket) => {
    socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nplain')
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const body = lines.includes('chunked') ? '2\r\nhi\r\n0\r\n\r\n' : ''
  const request = `POST / HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n${body}`
  const response = await exchangeRaw(sidecar.proxyUrl, request, (part) => part.endsWith('plain'))
  expect(response).toMatch(/^HTTP\/1\.1 200 /)
  const received = upstream.connections[0]?.received ?? ''
  expect(received).not.toMatch(/^(?:upgrade|http2-settings|connection: upgrade)/im)
  expect(received.includes('\r\nhi\r\n')).toBe(body !== '')
})

test('Upgrade in an HTTP/1.0 request is ignored', async () => {
  const upstream = await startRawUpstream((_received, socket) => {
    socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nplain')
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const request = `GET / HTTP/1.0\r\nHost: localhost\r\n${HANDSHAKE}\r\n`
  expect(await exchangeRaw(sidecar.proxyUrl, request)).toMatch(/^HTTP\/1\.1 200 /)
  expect(upstream.connections[0]?.received).not.toMatch(/^upgrade/im)
})

test('a pipelined upgrade request is processed in order', async () => {
  const gate = Promise.withResolvers<void>()
  const received: (string | undefined)[] = []
  const upstream = await startServer((req, res) => {
    received.push(req.url)
    if (req.url === '/first') void gate.promise.then(() => res.end(`first ${LARGE}`))
    else res.end('second')
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const client = await openRaw(
    sidecar.proxyUrl,
    `GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n${handshake('/second')}`,
  )
  await until(() => received.includes('/first'))
  gate.resolve()
  await client.sees('second')
  expect(client.received().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
  expect(client.received()).toContain(`first ${LARGE}`)
})

test('a pipelined upgrade request waits for all earlier responses', async () => {
  const gate = Promise.withResolvers<void>()
  const upstream = await startServer((_req, res) => void gate.promise.then(() => res.end('slow')))
  const sidecar = await startSidecar(forwardConfig(upstream))
  const client = await openRaw(sidecar.proxyUrl, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(
    async () => (await metric(sidecar, 'token_sidecar_requests_in_flight', { route: 'all' })) === 1,
  )
  client.socket.write(`GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n${handshake('/')}`)
  gate.resolve()
  await client.sees('slow')
  await until(() => client.received().match(/HTTP\/1\.1 \d+/g)?.length === 3)
  expect(client.received().match(/HTTP\/1\.1 \d+/g)).toEqual([
    'HTTP/1.1 200',
    'HTTP/1.1 400',
    'HTTP/1.1 200',
  ])
})

test('an upgrade request above the connection limit gets a 503', async () => {
  const upstream = await startSwitchingServer((socket) => void socket.write(SWITCHING))
  const sidecar = await startSidecar(
    `${forwardConfig(upstream.origin)}\nlimits: { connections: 1 }`,
  )
  const first = await openRaw(sidecar.proxyUrl, handshake())
  await first.sees('\r\n\r\n')
  const { status, body } = await fetchHandshake(sidecar.proxyUrl)
  expect(status).toBe(503)
  expect(JSON.parse(body)).toMatchObject({ code: 'too_many_connections' })
})
