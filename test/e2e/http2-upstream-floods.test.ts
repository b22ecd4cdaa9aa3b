import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  dataFrame,
  encodeFrame,
  ERROR,
  FLAG,
  FRAME,
  headersFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from '../helpers/http2-frames.ts'
import { type FrameConnection, startFrameUpstream } from '../helpers/frame-upstream.ts'
import { encodeIndexedLiteral } from '../helpers/hpack.ts'
import { exchangeWith, openHttp2Upstream, startHttp2Server } from '../helpers/http2-upstream.ts'
import { upstreamRequest } from '../helpers/upstream-request.ts'
import { until } from '../helpers/wait.ts'

/*
 * Floods by an HTTP/2 upstream: each closes the connection or is harmless, and memory stays bounded.
 */

const MEBIBYTE = 1024 * 1024
const FLOOD_BYTES = 48 * MEBIBYTE
const MAX_GROWTH_BYTES = 40 * MEBIBYTE
const OK = [':status', '200']

type Flood = {
  readonly what: string
  /** Sent repeatedly. */
  readonly frames: (id: number) => Buffer
  /** Sent once, before `frames`. */
  readonly before?: (id: number) => readonly Buffer[]
  /** Whether the upstream reads from its connection. */
  readonly reads?: boolean
}

const bomb = encodeIndexedLiteral('x', 'y'.repeat(3_900))
/** Each octet references the dynamic table entry of 3.9 kB. */
const references = Buffer.alloc(16_000, 0xbe)

const FLOODS: readonly Flood[] = [
  {
    what: 'CONTINUATION frames without an end',
    before: (id) => [headersFrame(id, OK, 0)],
    frames: (id) => encodeFrame(FRAME.CONTINUATION, 0, id, Buffer.alloc(1_000)),
  },
  {
    what: 'empty CONTINUATION frames',
    before: (id) => [headersFrame(id, OK, 0)],
    frames: (id) => encodeFrame(FRAME.CONTINUATION, 0, id),
  },
  {
    what: 'references to a large field (HPACK bomb)',
    frames: (id) =>
      encodeFrame(FRAME.HEADERS, FLAG.END_HEADERS, id, Buffer.concat([bomb, references])),
  },
  {
    what: 'SETTINGS whose acknowledgements are not read',
    frames: () => settingsFrame([[5, 16_384]]),
    reads: false,
  },
  { what: 'SETTINGS', frames: () => settingsFrame([[5, 16_384]]) },
  {
    what: 'PINGs whose acknowledgements are not read',
    frames: () => encodeFrame(FRAME.PING, 0, 0, Buffer.alloc(8)),
    reads: false,
  },
  { what: 'resets of streams', frames: (id) => resetFrame(id + 2, ERROR.CANCEL) },
  { what: 'DATA for a stream that is closed', frames: (id) => dataFrame(id + 2, 'abc') },
  { what: 'PUSH_PROMISE', frames: (id) => encodeFrame(FRAME.PUSH_PROMISE, 4, id, Buffer.alloc(8)) },
  { what: 'WINDOW_UPDATEs beyond the maximum', frames: () => windowUpdateFrame(0, 2 ** 31 - 1) },
  { what: 'interim responses', frames: (id) => headersFrame(id, [':status', '103'], 4) },
  {
    what: 'DATA beyond the window of a stream that is not read',
    before: (id) => [headersFrame(id, OK, FLAG.END_HEADERS)],
    frames: (id) => dataFrame(id, Buffer.alloc(16_384)),
  },
]

test.for(FLOODS)(
  'a flood of $what is stopped, with bounded memory',
  async ({ frames, before = () => [], reads = true }) => {
    let connection: FrameConnection | undefined
    let streamId = 0
    const { origin } = await startFrameUpstream((id, started) => {
      streamId = id
      connection = started
    })
    const upstream = openHttp2Upstream(origin)
    const response = upstream.roundTrip(upstreamRequest(), new AbortController().signal).then(
      () => 'responded',
      (error: unknown) => error,
    )
    await until(() => connection !== undefined)
    const socket = connection?.socket
    if (socket === undefined) throw new Error('expected a connection')
    if (!reads) socket.pause()
    const beforeBytes = memoryBytes()
    socket.write(Buffer.concat(before(streamId)))
    const frame = frames(streamId)
    const many = Buffer.concat(
      Array.from({ length: Math.ceil(65_536 / frame.length) }, () => frame),
    )
    let peakBytes = 0
    for (let sent = 0; sent < FLOOD_BYTES && socket.writable; sent += many.length) {
      if (!socket.write(many)) {
        await until(() => !socket.writable || !socket.writableNeedDrain)
      }
      peakBytes = Math.max(peakBytes, memoryBytes() - beforeBytes)
      await nextTurn()
    }
    await until(() => !socket.writable || upstream.load().running === 0)
    upstream.close()
    await response
    expect(peakBytes).toBeLessThan(MAX_GROWTH_BYTES)
  },
)

test('a session is usable after a thousand cancelled requests', async () => {
  const { origin, sessions } = await startHttp2Server((stream, { ':path': path }) => {
    if (path === '/last') stream.respond({ ':status': 204 }, { endStream: true })
  })
  const upstream = openHttp2Upstream(origin, { maxConnections: 4 })
  for (let round = 0; round < 20; round += 1) {
    const controller = new AbortController()
    const requests = Array.from({ length: 50 }, () =>
      exchangeWith(upstream, {}, controller.signal).catch(() => 'aborted'),
    )
    await nextTurn()
    controller.abort(new Error('no longer needed'))
    await Promise.all(requests)
    await until(() => upstream.load().running === 0)
  }
  expect(await exchangeWith(upstream, { path: '/last' })).toMatchObject({ status: 204 })
  expect(sessions).toHaveLength(1)
  expect(upstream.load()).toMatchObject({ connected: 1, queued: 0 })
})

function memoryBytes(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
