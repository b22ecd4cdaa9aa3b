import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import * as fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { isWholeRequest } from '../helpers/raw-http.ts'
import { portOf } from '../helpers/servers.ts'
import { startProgram, startSidecar } from '../helpers/sidecar.ts'
import { readMessages } from '../wire/read-message.ts'

/*
 * The outcome of a request is the status and the code that the client receives, and the bytes that the
 * upstream receives. It depends on the request and the configuration, not on earlier requests.
 */

type Outcome = {
  readonly status: string
  readonly code: string | undefined
  readonly reached: readonly string[]
}

type Upstream = { readonly origin: string; readonly taken: () => string[] }

/** Responds to complete requests; `taken` returns and clears what was received. */
async function startUpstream(): Promise<Upstream> {
  const received: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    let unread = ''
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      unread += chunk.toString('latin1')
      if (!isWholeRequest(unread)) return
      received.push(unread)
      unread = ''
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    origin: `http://127.0.0.1:${portOf(server)}`,
    taken: () => received.splice(0),
  }
}

function configFor(upstream: string): string {
  return `
routes:
  - { name: orders, match: { path: /orders, methods: [GET, POST] }, upstream: '${upstream}/o', credential: none }
  - { name: named, match: { host: api.partner.example }, upstream: '${upstream}/n', credential: none }
  - { name: suffix, match: { host: '*.internal', path: /v1 }, upstream: '${upstream}/s', credential: none, keepHost: true }
access: { hosts: [sidecar.alias], origins: ['http://localhost:3000'] }
limits: { headers: 4KiB }
`
}

const HOSTS = [
  'localhost',
  'LOCALHOST.',
  '127.0.0.1:80',
  '[::1]',
  'sidecar.alias',
  'api.partner.example',
  'a.internal',
  'evil.example',
  'evil.example:8080',
  '10.0.0.7',
  '',
  'a b',
  'localhost:x',
]
const TARGETS = [
  '/orders',
  '/orders/7?a=1',
  '/nowhere',
  '/v1/x',
  '/',
  '*',
  '/orders/../x',
  '/orders%2f7',
  '/orders/%c0%af',
  '/orders/%c0',
  'http://api.partner.example/x',
  'http://evil.example/orders',
  'http://localhost/orders',
  'https://a.internal/v1',
  'orders',
  '/orders#x',
  '/orders/%95%5c',
]
const FIELDS = [
  'Origin: http://evil.example',
  'Origin: http://localhost:3000',
  'Origin: http://localhost',
  'Origin: null',
  'Sec-Fetch-Site: cross-site',
  'Sec-Fetch-Site: none',
  'Expect: a-miracle',
  'Connection: X-A',
  'X-A: 1',
  'TE: trailers',
  'Upgrade: h2c',
  'Max-Forwards: 0',
  'Via: 1.1 token-sidecar',
  'Transfer-Encoding: gzip',
  'Content-Length: x',
  'X-Y : 1',
  'X-Request-Id: one',
  `X-Long: ${'x'.repeat(5_000)}`,
  'Connection: close',
  'Connection: keep-alive',
]
const BODIES = [
  { fields: [], body: '' },
  { fields: [], body: '' },
  { fields: ['Content-Length: 5'], body: 'hello' },
  { fields: ['Content-Length: 0'], body: '' },
  { fields: ['Transfer-Encoding: chunked'], body: '5\r\nhello\r\n0\r\n\r\n' },
  { fields: ['Transfer-Encoding: chunked'], body: '5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n' },
  { fields: ['Transfer-Encoding: chunked'], body: 'no chunk' },
  { fields: ['Expect: 100-continue', 'Content-Length: 5'], body: 'hello' },
]

const request = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE', 'FOO'),
    target: fc.constantFrom('/orders', '/orders', ...TARGETS),
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0', '1.0', '2.0'),
    hosts: fc.oneof(
      fc.constantFrom<string[]>(['localhost'], ['localhost'], []),
      fc.array(fc.constantFrom(...HOSTS), { maxLength: 2 }),
    ),
    fields: fc.oneof(fc.constant([]), fc.subarray(FIELDS, { maxLength: 2 })),
    body: fc.constantFrom(...BODIES),
  })
  .map(({ method, target, version, hosts, fields, body }) =>
    [
      `${method} ${target} HTTP/${version}`,
      ...hosts.map((host) => `Host: ${host}`),
      ...fields,
      ...body.fields,
      '',
      body.body,
    ].join('\r\n'),
  )

type Client = { readonly send: (bytes: string) => Promise<string>; readonly isOpen: () => boolean }

const noop = (): void => {}

/** A connection for sequential requests. */
async function openClient(proxyUrl: string): Promise<Client> {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  let received = ''
  let isEnded = false
  let onProgress = noop
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    onProgress()
  })
  const end = (): void => {
    isEnded = true
    onProgress()
  }
  socket.on('end', end)
  socket.on('error', end)
  socket.on('close', end)
  await once(socket, 'connect')
  return {
    // A connection is not reusable after Connection: close.
    isOpen: () => !isEnded && !/^connection: close\r$/im.test(received),
    async send(bytes) {
      received = ''
      const { promise, resolve } = Promise.withResolvers<void>()
      const toHead = bytes.startsWith('HEAD ')
      onProgress = () => {
        const { complete } = readMessages(received, { of: 'responses', toHead, isEnded })
        if (isEnded || complete.some(({ line }) => !line.startsWith('HTTP/1.1 1'))) resolve()
      }
      socket.write(bytes, 'latin1')
      await promise
      return received
    },
  }
}

async function outcomeOf(client: Client, upstream: Upstream, bytes: string): Promise<Outcome> {
  const response = await client.send(bytes)
  const final = response.replaceAll(/HTTP\/1\.1 1\d\d [^]*?\r\n\r\n/g, '')
  return {
    status: final.slice(0, 'HTTP/1.1 200'.length),
    code: /details="(\w+)"/.exec(final)?.[1],
    reached: upstream.taken(),
  }
}

/**
 * About half of the requests reuse a connection. Each outcome is compared with that of a new sidecar, with
 * new listeners, routes, connections and caches, but in this process: module state is covered by the next
 * test, which starts processes.
 */
test('the outcome of a request does not depend on earlier requests of the process or connection', async () => {
  const upstream = await startUpstream()
  const old = await startSidecar(configFor(upstream.origin))
  const fresh = new Map<string, Outcome>()
  const freshOutcomeOf = async (bytes: string): Promise<Outcome> => {
    const known = fresh.get(bytes)
    if (known !== undefined) return known
    const sidecar = await startSidecar(configFor(upstream.origin))
    const outcome = await outcomeOf(await openClient(sidecar.proxyUrl), upstream, bytes)
    await sidecar.close()
    fresh.set(bytes, outcome)
    return outcome
  }
  let reused = await openClient(old.proxyUrl)
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(request, fc.boolean()), { maxLength: 8 }), async (row) => {
      for (const [bytes, isReused] of row) {
        if (isReused && !reused.isOpen()) reused = await openClient(old.proxyUrl)
        const client = isReused ? reused : await openClient(old.proxyUrl)
        const outcome = await outcomeOf(client, upstream, bytes)
        seen.add(outcome.status)
        expect({ bytes, outcome }).toEqual({ bytes, outcome: await freshOutcomeOf(bytes) })
      }
    }),
    { numRuns: 60 },
  )
  // The requests are neither all rejected nor all accepted.
  expect(seen.size).toBeGreaterThan(3)
  expect(seen).toContain('HTTP/1.1 200')
})

test('a process that has served many requests has the same outcomes as a new one', async () => {
  const upstream = await startUpstream()
  const config = configFor(upstream.origin)
  const samples = [
    'GET /orders HTTP/1.0\r\n\r\n',
    'GET /orders HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    'GET /orders HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n',
    ...fc.sample(request, 4),
  ]
  const old = await startProgram(config)
  for (const bytes of fc.sample(request, 150)) {
    await outcomeOf(await openClient(old.proxyUrl), upstream, bytes)
  }
  for (const bytes of samples) {
    const fresh = await startProgram(config)
    const expected = await outcomeOf(await openClient(fresh.proxyUrl), upstream, bytes)
    await fresh.stop()
    const outcome = await outcomeOf(await openClient(old.proxyUrl), upstream, bytes)
    expect({ bytes, outcome }).toEqual({ bytes, outcome: expected })
  }
})
