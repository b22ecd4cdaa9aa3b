import { createServer as createTcpServer } from 'node:net'
import type { ServerHttp2Stream } from 'node:http2'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import {
  encodeFrame,
  ERROR,
  FLAG,
  FRAME,
  headersFrame,
  resetFrame,
  settingsFrame,
} from '../../helpers/http2-frames.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { type FrameConnection, startFrameUpstream } from '../../helpers/frame-upstream.ts'
import { exchangeWith, openHttp2Upstream, startHttp2Server } from '../../helpers/http2-upstream.ts'
import { portOf } from '../../helpers/servers.ts'
import { collectingWriter, upstreamRequest } from '../../helpers/upstream-request.ts'
import { until } from '../../helpers/wait.ts'

const SIGNAL = new AbortController().signal
const OK = [':status', '200']
const MAX_CONCURRENT_STREAMS = 3

const ok = (id: number): Buffer => headersFrame(id, OK)

function goaway(lastStreamId: number, code: number): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeUInt32BE(lastStreamId, 0)
  payload.writeUInt32BE(code, 4)
  return encodeFrame(FRAME.GOAWAY, 0, 0, payload)
}

function maxStreams(count: number): Buffer {
  return settingsFrame([[MAX_CONCURRENT_STREAMS, count]])
}

/** A server that responds when the test calls `respond`. */
async function startHoldingServer(maxConcurrentStreams = 100) {
  const held: ServerHttp2Stream[] = []
  const server = await startHttp2Server((stream) => held.push(stream), {
    settings: { maxConcurrentStreams },
  })
  return {
    ...server,
    held,
    release: (index: number) => held[index]?.respond({ ':status': 200 }, { endStream: true }),
  }
}

test('requests share one session', async () => {
  const { origin, held, sessions, release } = await startHoldingServer()
  const upstream = openHttp2Upstream(origin, { maxConnections: 8 })
  const responses = Array.from({ length: 20 }, () => exchangeWith(upstream))
  await until(() => held.length === 20)
  expect(upstream.load()).toEqual({ connected: 1, running: 20, queued: 0 })
  for (const index of held.keys()) release(index)
  await Promise.all(responses)
  expect(sessions).toHaveLength(1)
})

test('another session is opened when all streams are in use', async () => {
  const { origin, held, sessions, release } = await startHoldingServer(2)
  const upstream = openHttp2Upstream(origin, { maxConnections: 8 })
  const first = exchangeWith(upstream)
  await until(() => held.length === 1)
  const responses = Array.from({ length: 3 }, () => exchangeWith(upstream))
  await until(() => held.length === 4)
  expect(sessions).toHaveLength(2)
  for (const index of held.keys()) release(index)
  await Promise.all([first, ...responses])
})

test('beyond the streams of all sessions, requests wait for a free stream', async () => {
  const { origin, held, sessions, release } = await startHoldingServer(2)
  const upstream = openHttp2Upstream(origin, { maxConnections: 1 })
  const first = exchangeWith(upstream)
  await until(() => held.length === 1)
  const responses = Array.from({ length: 3 }, () => exchangeWith(upstream))
  await until(() => held.length === 2)
  expect(upstream.load()).toEqual({ connected: 1, running: 2, queued: 2 })
  for (let index = 0; index < 4; index += 1) {
    await until(() => held.length > index)
    release(index)
  }
  await Promise.all([first, ...responses])
  expect(sessions).toHaveLength(1)
})

test('a request that is aborted while it waits for a stream is not sent', async () => {
  const { origin, held, release } = await startHoldingServer(1)
  const upstream = openHttp2Upstream(origin)
  const first = exchangeWith(upstream)
  await until(() => held.length === 1)
  const controller = new AbortController()
  const second = exchangeWith(upstream, {}, controller.signal)
  controller.abort(new Error('no longer needed'))
  await expect(second).rejects.toMatchObject({ cause: { message: 'no longer needed' } })
  expect(upstream.load()).toEqual({ connected: 1, running: 1, queued: 0 })
  release(0)
  await first
  expect(held).toHaveLength(1)
})

test('more streams are used as soon as the upstream allows more', async () => {
  const seen: number[] = []
  const { origin, connections } = await startFrameUpstream((id) => seen.push(id), {
    greeting: [maxStreams(1)],
  })
  const upstream = openHttp2Upstream(origin)
  const first = exchangeWith(upstream)
  await until(() => seen.length === 1)
  const rest = [exchangeWith(upstream), exchangeWith(upstream)]
  expect(upstream.load()).toMatchObject({ running: 1, queued: 2 })
  connections[0]?.send(maxStreams(3))
  await until(() => seen.length === 3)
  connections[0]?.send(...seen.map(ok))
  await Promise.all([first, ...rest])
})

test('sessions are not opened repeatedly to an upstream that allows no streams', async () => {
  const seen: number[] = []
  const { origin, connections } = await startFrameUpstream((id) => seen.push(id))
  const upstream = openHttp2Upstream(origin, { maxConnections: 8 })
  const first = exchangeWith(upstream)
  await until(() => seen.length === 1)
  connections[0]?.send(maxStreams(0), ok(1))
  await first
  await until(() => upstream.load().running === 0)
  const second = exchangeWith(upstream)
  expect(upstream.load()).toEqual({ connected: 1, running: 0, queued: 1 })
  connections[0]?.send(maxStreams(1))
  await until(() => seen.length === 2)
  connections[0]?.send(ok(3))
  await second
  expect(connections).toHaveLength(1)
})

test('a request on a refused stream may always be retried', async () => {
  const { origin } = await startFrameUpstream((id, { send }) => send(resetFrame(id, 7)))
  await expect(exchangeWith(openHttp2Upstream(origin), { method: 'POST' })).rejects.toMatchObject({
    code: 'upstream_reset',
    retry: 'always',
    message: expect.stringContaining('REFUSED_STREAM'),
  })
})

test.for([ERROR.NO_ERROR, ERROR.CANCEL, ERROR.ENHANCE_YOUR_CALM])(
  'a stream above the last one of a GOAWAY with code %s may always be retried',
  async (code) => {
    const seen: number[] = []
    const { origin, connections } = await startFrameUpstream((id) => seen.push(id))
    const upstream = openHttp2Upstream(origin)
    const first = exchangeWith(upstream)
    await until(() => seen.length === 1)
    const second = exchangeWith(upstream, { method: 'POST' })
    await until(() => seen.length === 2)
    connections[0]?.send(ok(1), goaway(1, code))
    await first
    await expect(second).rejects.toMatchObject({ code: 'upstream_reset', retry: 'always' })
  },
)

test('streams finish after a GOAWAY, and further requests use a new session', async () => {
  const seen: FrameConnection[] = []
  const { origin, connections } = await startFrameUpstream((_id, connection) =>
    seen.push(connection),
  )
  const upstream = openHttp2Upstream(origin)
  const first = exchangeWith(upstream)
  await until(() => seen.length === 1)
  connections[0]?.send(goaway(2 ** 31 - 1, ERROR.NO_ERROR))
  await until(() => (connections[0]?.frames ?? []).some(({ type }) => type === FRAME.GOAWAY))
  const second = exchangeWith(upstream)
  await until(() => seen.length === 2)
  expect(connections).toHaveLength(2)
  connections[0]?.send(goaway(1, ERROR.NO_ERROR), ok(1))
  connections[1]?.send(ok(1))
  expect(await Promise.all([first, second])).toMatchObject([{ status: 200 }, { status: 200 }])
})

test('a GOAWAY with an error fails the streams that may have been processed', async () => {
  const { origin } = await startFrameUpstream((id, { send }) =>
    send(goaway(id, ERROR.ENHANCE_YOUR_CALM)),
  )
  await expect(exchangeWith(openHttp2Upstream(origin))).rejects.toMatchObject({
    code: 'upstream_reset',
    retry: undefined,
    message: expect.stringContaining('(GOAWAY, ENHANCE_YOUR_CALM)'),
  })
})

test('idempotent requests may be retried after a session with earlier responses is lost', async () => {
  const { origin } = await startFrameUpstream((id, { send, socket }) => {
    if (id === 1) send(ok(id))
    else socket.destroy()
  })
  const upstream = openHttp2Upstream(origin)
  await exchangeWith(upstream)
  await expect(exchangeWith(upstream)).rejects.toMatchObject({
    code: 'upstream_reset',
    retry: 'if idempotent',
  })
  expect(await exchangeWith(upstream)).toMatchObject({ status: 200 })
})

test('a session that is lost before its first response is not a stale connection', async () => {
  const { origin } = await startFrameUpstream((_id, { socket }) => void socket.destroy())
  await expect(exchangeWith(openHttp2Upstream(origin))).rejects.toMatchObject({
    code: 'upstream_reset',
    retry: undefined,
  })
})

test('all requests that wait for a session fail if it cannot be opened', async () => {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${portOf(server)}`
  await new Promise((resolve) => void server.close(resolve))
  const upstream = openHttp2Upstream(origin)
  const responses = await Promise.allSettled([exchangeWith(upstream), exchangeWith(upstream)])
  for (const response of responses) {
    expect(response).toMatchObject({ reason: { code: 'upstream_unreachable' } })
  }
  expect(upstream.load()).toEqual({ connected: 0, running: 0, queued: 0 })
})

test('an HTTP/1.1 upstream causes an error that says so', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const upstream = openHttp2Upstream(`http://127.0.0.1:${portOf(server)}`)
  await expect(exchangeWith(upstream)).rejects.toMatchObject({
    code: 'upstream_protocol',
    message: expect.stringContaining('HTTP/2'),
  })
})

test('a stalled response does not block others on its session', async () => {
  const chunk = Buffer.alloc(65_536, 'a')
  const { origin, sessions } = await startHttp2Server((stream, { ':path': path }) => {
    stream.respond({ ':status': 200 })
    if (path !== '/large') {
      stream.end('small')
      return
    }
    Readable.from(Array.from({ length: 128 }, () => chunk)).pipe(stream)
  })
  const upstream = openHttp2Upstream(origin)
  const large = await Promise.all(
    Array.from({ length: 20 }, () =>
      upstream.roundTrip(upstreamRequest({ path: '/large' }), SIGNAL),
    ),
  )
  let blocked = 0
  const resumes: (() => void)[] = []
  let isBlocking = true
  let received = 0
  const stalled = large.map(async (response) => {
    await response.pipeTo(
      collectingWriter(() => {}, {
        write(part, onDrain) {
          received += part.length
          if (!isBlocking) return true
          blocked += 1
          resumes.push(onDrain)
          return false
        },
      }),
    )
  })
  await until(() => blocked === 20)
  for (let i = 0; i < 5; i += 1) {
    expect(await exchangeWith(upstream)).toMatchObject({ body: 'small' })
  }
  expect(sessions).toHaveLength(1)
  isBlocking = false
  for (const resume of resumes) resume()
  await Promise.all(stalled)
  expect(received).toBe(20 * 128 * chunk.length)
})

test('the flow-control windows are large enough for a path of 50 ms', async () => {
  const { origin, connections } = await startFrameUpstream((id, { send }) => send(ok(id)))
  await exchangeWith(openHttp2Upstream(origin))
  const frames = connections[0]?.frames ?? []
  const settings = frames.find(({ type, flags }) => type === FRAME.SETTINGS && flags === 0)
  const values = new Map<number, number>()
  for (let at = 0; at < (settings?.payload.length ?? 0); at += 6) {
    values.set(settings?.payload.readUInt16BE(at) ?? 0, settings?.payload.readUInt32BE(at + 2) ?? 0)
  }
  const update = frames.find(({ type, streamId }) => type === FRAME.WINDOW_UPDATE && streamId === 0)
  expect(values.get(4)).toBeGreaterThanOrEqual(1024 * 1024)
  expect(update?.payload.readUInt32BE()).toBeGreaterThan(4 * 1024 * 1024)
  // Server push is disabled, and the limit for header sections is announced.
  expect(values.get(2)).toBe(0)
  expect(values.get(6)).toBe(16_384)
})

test('an idle session is closed with GOAWAY', async () => {
  const clock = createFakeClock()
  const { origin, connections } = await startFrameUpstream((id, { send }) => send(ok(id)))
  const upstream = openHttp2Upstream(origin, {}, clock)
  await exchangeWith(upstream)
  await until(() => upstream.load().running === 0)
  await clock.advance(44_000)
  expect(upstream.load().connected).toBe(1)
  await clock.advance(3_000)
  await until(() => connections[0]?.socket.closed === true || upstream.load().connected === 0)
  expect((connections[0]?.frames ?? []).at(-1)?.type).toBe(FRAME.GOAWAY)
})

test('a session that was idle is verified with a PING before it is used', async () => {
  const clock = createFakeClock()
  const { origin, connections } = await startFrameUpstream((id, { send }) => send(ok(id)))
  const upstream = openHttp2Upstream(origin, {}, clock)
  await exchangeWith(upstream)
  await until(() => upstream.load().running === 0)
  await clock.advance(10_000)
  expect(await exchangeWith(upstream, { method: 'POST' })).toMatchObject({ status: 200 })
  const types = (connections[0]?.frames ?? []).map(({ type }) => type)
  expect(types.lastIndexOf(FRAME.PING)).toBeGreaterThan(types.indexOf(FRAME.HEADERS))
  expect(types.lastIndexOf(FRAME.HEADERS)).toBeGreaterThan(types.lastIndexOf(FRAME.PING))
})

test('a session without a PING response is replaced, and the request is sent once', async () => {
  const clock = createFakeClock()
  let requests = 0
  let isDead = false
  const { origin, connections } = await startFrameUpstream(
    (id, { send }) => {
      requests += 1
      send(ok(id))
    },
    {
      acknowledges: false,
      onFrame({ type, flags, payload }, { send }) {
        if (type === FRAME.SETTINGS && flags === 0) send(encodeFrame(type, FLAG.ACK, 0))
        if (type === FRAME.PING && !isDead) send(encodeFrame(type, FLAG.ACK, 0, payload))
      },
    },
  )
  const upstream = openHttp2Upstream(origin, {}, clock)
  await exchangeWith(upstream)
  await until(() => upstream.load().running === 0)
  await clock.advance(10_000)
  isDead = true
  const second = exchangeWith(upstream, { method: 'POST' })
  await until(() => (connections[0]?.frames ?? []).some(({ type }) => type === FRAME.PING))
  await clock.advance(4_000)
  expect(await second).toMatchObject({ status: 200 })
  expect(connections).toHaveLength(2)
  expect(requests).toBe(2)
})

test('the requests of a session without a PING response fail', async () => {
  const clock = createFakeClock()
  const seen: number[] = []
  const { origin, connections } = await startFrameUpstream((id) => seen.push(id), {
    acknowledges: false,
  })
  const upstream = openHttp2Upstream(origin, {}, clock)
  const response = exchangeWith(upstream).catch((error: unknown) => error)
  await until(() => seen.length === 1)
  await clock.advance(22_000)
  await until(() => (connections[0]?.frames ?? []).some(({ type }) => type === FRAME.PING))
  await clock.advance(17_000)
  expect(await response).toMatchObject({
    code: 'upstream_reset',
    message: expect.stringContaining('PING'),
  })
})

test('a stream that is idle for five minutes causes fewer PINGs than gRPC servers tolerate', async () => {
  const clock = createFakeClock()
  const seen: number[] = []
  const { origin, connections } = await startFrameUpstream((id) => seen.push(id))
  const upstream = openHttp2Upstream(origin, {}, clock)
  const response = exchangeWith(upstream)
  await until(() => seen.length === 1)
  const pings = () =>
    (connections[0]?.frames ?? []).filter(({ type, flags }) => type === FRAME.PING && flags === 0)
  await clock.advance(30_000)
  await until(() => pings().length === 1)
  for (let i = 0; i < 26; i += 1) await clock.advance(10_000)
  connections[0]?.send(ok(1))
  await response
  expect(pings()).toHaveLength(1)
})

test('a session that has reached its lifetime finishes its streams and is replaced', async () => {
  const clock = createFakeClock()
  const { origin, held, sessions, release } = await startHoldingServer()
  const upstream = openHttp2Upstream(origin, { connectionLifetimeSeconds: 10 }, clock)
  const first = exchangeWith(upstream)
  await until(() => held.length === 1)
  await clock.advance(11_000)
  const second = exchangeWith(upstream)
  await until(() => held.length === 2)
  expect(sessions).toHaveLength(2)
  release(0)
  release(1)
  expect(await Promise.all([first, second])).toMatchObject([{ status: 200 }, { status: 200 }])
})

test('a retired upstream finishes its streams and closes its sessions', async () => {
  const { origin, held, release } = await startHoldingServer()
  const upstream = openHttp2Upstream(origin)
  const response = exchangeWith(upstream)
  await until(() => held.length === 1)
  upstream.retire()
  release(0)
  expect(await response).toMatchObject({ status: 200 })
  await until(() => upstream.load().connected === 0)
})

test('closing an upstream fails requests that are sent and requests that wait', async () => {
  const { origin, held } = await startHoldingServer(1)
  const upstream = openHttp2Upstream(origin)
  const first = exchangeWith(upstream).catch((error: unknown) => error)
  await until(() => held.length === 1)
  const second = exchangeWith(upstream).catch((error: unknown) => error)
  upstream.close()
  expect(await Promise.all([first, second])).toMatchObject([
    { code: 'upstream_reset' },
    { code: 'upstream_reset' },
  ])
  await until(() => upstream.load().connected === 0)
})
