import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { join } from 'node:path'
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import {
  dataFrame,
  encodeFrame,
  ERROR,
  FLAG,
  FRAME,
  headersFrame,
  openFrameClient,
  PREFACE,
  requestFields,
  settingsFrame,
  valueOf,
} from '../helpers/http2-frames.ts'
import { metric } from '../helpers/metrics.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startListening } from '../helpers/servers.ts'
import { startProgram, startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

test('a Unix socket serves HTTP/2 and HTTP/1.1', async () => {
  const path = join(await temporaryDirectory(), 'proxy.sock')
  const { sidecar } = await start({ listen: `unix:${path}` })
  const client = await openFrameClient(sidecar.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  expect((await client.response(1)).content.toString()).toBe('done')
  const socket = connect(path)
  onTestFinished(() => void socket.destroy())
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [received]: unknown[] = await once(socket, 'data')
  expect(String(received)).toMatch(/^HTTP\/1\.1 200 /)
})

test.for([1, 3, 17, 23, 24, 30])(
  'a preface that arrives in two parts, cut at %i, is served',
  async (at) => {
    const { sidecar } = await start()
    const socket = connect(Number(new URL(sidecar.proxyUrl).port), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.setNoDelay()
    const bytes = Buffer.concat([
      Buffer.from(PREFACE),
      settingsFrame(),
      headersFrame(1, requestFields()),
    ])
    socket.write(bytes.subarray(0, at))
    // The other connection shows that the first part has been read.
    await exchangeRaw(
      sidecar.proxyUrl,
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    )
    socket.write(bytes.subarray(at))
    let received = ''
    socket.on('data', (chunk: Buffer) => void (received += chunk.toString('latin1')))
    await until(() => received.includes('done'))
    expect(received).not.toContain('HTTP/1.1')
  },
)

test('limits.headersTimeout does not close an HTTP/2 connection', async () => {
  const gate = Promise.withResolvers<void>()
  const { sidecar } = await start({
    config: 'limits: { headersTimeout: 100ms }',
    handler: (_req, res) => void gate.promise.then(() => res.end('late')),
  })
  const client = await openFrameClient(sidecar.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  // A connection without a request, opened later, has been closed by the same check.
  const idle = await exchangeRaw(sidecar.proxyUrl, 'GET / HT')
  expect(idle).toMatch(/^HTTP\/1\.1 408 /)
  gate.resolve()
  expect((await client.response(1)).content.toString()).toBe('late')
})

test('an idle connection is closed with GOAWAY, one with streams is not', async () => {
  const { sidecar } = await start({
    config: 'limits: { keepAlive: 100ms }',
    handler: (req, res) => {
      if (req.url !== '/waiting') res.end('done')
    },
  })
  const busy = await openFrameClient(sidecar.proxyUrl)
  busy.send(headersFrame(1, requestFields([], { path: '/waiting' })))
  const idle = await openFrameClient(sidecar.proxyUrl)
  await until(idle.isClosed)
  expect(idle.goaway()).toBe(ERROR.NO_ERROR)
  busy.send(headersFrame(3, requestFields()))
  expect((await busy.response(3)).content.toString()).toBe('done')
  const openSessions = async () =>
    await metric(sidecar, 'token_sidecar_http2_sessions_open', { side: 'client' })
  idle.socket.end()
  await until(async () => (await openSessions()) === 1)
})

test('a connection whose last stream ends after the idle time-out is closed later', async () => {
  let response: ServerResponse | undefined
  const { sidecar } = await start({
    config: 'limits: { keepAlive: 50ms }',
    handler: (_req, res) => void (response = res),
  })
  const client = await openFrameClient(sidecar.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  await until(() => response !== undefined)
  const other = await openFrameClient(sidecar.proxyUrl)
  await until(other.isClosed)
  response?.end('done')
  await client.response(1)
  await until(client.isClosed)
  expect(client.goaway()).toBe(ERROR.NO_ERROR)
})

test('requests on a connection beyond the limit get 503', async () => {
  const { sidecar } = await start({ config: 'limits: { connections: 1 }' })
  const first = await openFrameClient(sidecar.proxyUrl)
  first.send(headersFrame(1, requestFields()))
  await first.response(1)
  const second = await openFrameClient(sidecar.proxyUrl)
  second.send(headersFrame(1, requestFields()))
  const { sections, content } = await second.response(1)
  expect(valueOf(sections[0], ':status')).toBe('503')
  expect(content.toString()).toContain('too_many_connections')
  first.send(headersFrame(3, requestFields()))
  expect((await first.response(3)).content.toString()).toBe('done')
})

test('a client that half-closes its connection gets its response', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const { sidecar } = await start({
    handler: (_req, res) => {
      arrived += 1
      void gate.promise.then(() => res.end('done'))
    },
  })
  const client = await openFrameClient(sidecar.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  await until(() => arrived === 1)
  client.socket.end()
  gate.resolve()
  expect((await client.response(1)).content.toString()).toBe('done')
  await until(client.isClosed)
})

test.for(['TCP', 'a Unix socket'])(
  'a client that closes its connection over %s cancels its requests',
  async (kind) => {
    const path = join(await temporaryDirectory(), 'proxy.sock')
    let closed = 0
    let arrived = 0
    const { sidecar } = await start({
      listen: kind === 'TCP' ? '127.0.0.1:0' : `unix:${path}`,
      handler: (_req, res) => {
        arrived += 1
        res.on('close', () => void (closed += 1))
      },
    })
    const client = await openFrameClient(sidecar.proxyUrl)
    client.send(headersFrame(1, requestFields()), headersFrame(3, requestFields()))
    await until(() => arrived === 2)
    client.socket.destroy()
    await until(() => closed === 2)
    const openStreams = async () =>
      await metric(sidecar, 'token_sidecar_http2_streams_open', { side: 'client' })
    await until(async () => (await openStreams()) === 0)
    expect(await sidecar.logs()).toContain('client_closed')
  },
)

test('a shutdown announces GOAWAY, names the last stream after a round trip, and lets streams finish', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const { origin } = await startUpstream((_req, res) => {
    arrived += 1
    void gate.promise.then(() => res.end('finished'))
  })
  const program = await startProgram(forwardConfig(origin))
  const client = await openFrameClient(program.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  await until(() => arrived === 1)
  const stopped = program.stop()
  const goaways = () => client.frames.filter(({ type }) => type === FRAME.GOAWAY)
  await until(() => goaways().length === 2)
  gate.resolve()
  expect((await client.response(1)).content.toString()).toBe('finished')
  await until(client.isClosed)
  const lastIds = goaways().map(({ payload }) => payload.readUInt32BE())
  expect([...new Set(lastIds)]).toEqual([2 ** 31 - 1, 1])
  expect((await stopped).code).toBe(0)
})

test('a shutdown closes idle connections at once', async () => {
  const { origin } = await startUpstream((_req, res) => void res.end())
  const program = await startProgram(`${forwardConfig(origin)}\nshutdown: { deadline: 60s }`)
  const client = await openFrameClient(program.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  await client.response(1)
  // The deadline is longer than the time limit of the test.
  expect((await program.stop()).code).toBe(0)
  expect(client.goaway()).toBe(ERROR.NO_ERROR)
})

test('a GOAWAY of the client lets its streams finish', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const { sidecar } = await start({
    handler: (_req, res) => {
      arrived += 1
      void gate.promise.then(() => res.end('done'))
    },
  })
  const client = await openFrameClient(sidecar.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  await until(() => arrived === 1)
  client.send(encodeFrame(FRAME.GOAWAY, 0, 0, Buffer.alloc(8)))
  gate.resolve()
  expect((await client.response(1)).content.toString()).toBe('done')
  const labels = { side: 'client', direction: 'received', reason: 'NO_ERROR' }
  expect(await metric(sidecar, 'token_sidecar_http2_goaway_total', labels)).toBe(1)
})

const run = promisify(execFile)

const CURL = findPrograms('curl').find((program) =>
  spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.includes('HTTP2'),
)

test.skipIf(CURL === undefined && MAY_SKIP)('curl is served with prior knowledge', async () => {
  const { origin } = await startUpstream((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => void (body += chunk.toString()))
    req.on('end', () => void res.end(`got ${body}`))
  })
  const program = await startProgram(forwardConfig(origin))
  const options = ['-sS', '--http2-prior-knowledge', '-d', 'content', '-w', ' %{http_version}']
  const { stdout } = await run(CURL ?? 'curl', [...options, program.proxyUrl])
  expect(stdout).toBe('got content 2')
})

type Handler = (req: IncomingMessage, res: ServerResponse) => void

async function startUpstream(handler: Handler) {
  const server = createServer((req, res) => {
    req.on('error', () => {})
    handler(req, res)
  })
  return { origin: await startListening(server) }
}

async function start({
  handler = (_req: IncomingMessage, res: ServerResponse) => void res.end('done'),
  config = '',
  listen = '127.0.0.1:0',
}: { handler?: Handler; config?: string; listen?: string } = {}) {
  const { origin } = await startUpstream(handler)
  return { sidecar: await startSidecar(`${forwardConfig(origin)}\n${config}`, {}, listen) }
}

test.for([
  { what: 'within a header section', frames: () => [headersFrame(1, requestFields(), 0)] },
  {
    what: 'within a trailer section',
    frames: () => [
      headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS),
      headersFrame(1, ['x-a', '1'], FLAG.END_STREAM),
    ],
  },
  {
    what: 'within a request body that nothing reads',
    frames: () => [
      headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS),
      dataFrame(1, Buffer.alloc(10_000)),
    ],
  },
])('the connection of a client that leaves $what is closed', async ({ frames }) => {
  const { sidecar } = await start()
  const sessions = async () =>
    await metric(sidecar, 'token_sidecar_http2_sessions_open', { side: 'client' })
  const client = await openFrameClient(sidecar.proxyUrl)
  client.send(...frames())
  await until(async () => (await sessions()) === 1)
  client.socket.destroy()
  await until(async () => (await sessions()) === 0)
  expect(await metric(sidecar, 'token_sidecar_http2_streams_open', { side: 'client' })).toBe(0)
})
