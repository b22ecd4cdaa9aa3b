import { setImmediate as nextTurn } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { RequestBody } from '../../../src/http/request-body.ts'
import {
  dataFrame,
  ERROR,
  FLAG,
  type Frame,
  FRAME,
  headersFrame,
} from '../../helpers/http2-frames.ts'
import { startFrameUpstream } from '../../helpers/frame-upstream.ts'
import { exchangeWith, openHttp2Upstream, startHttp2Server } from '../../helpers/http2-upstream.ts'
import { collectingWriter, upstreamRequest } from '../../helpers/upstream-request.ts'
import { until } from '../../helpers/wait.ts'

const OK = [':status', '200']

/** A body that is still arriving: `arrive` adds to it, null ends it. */
function arrivingBody(trailers: readonly string[] = []) {
  const stream = new Readable({ read() {} })
  let isComplete = false
  const body: RequestBody = {
    stream,
    isKept: () => false,
    whole: () => Promise.resolve(undefined),
    trailers: () => trailers,
    isComplete: () => isComplete,
    receivedBytes: () => 0,
    isPaused: () => false,
  }
  const arrive = (chunk: string | Buffer | null): void => {
    if (chunk === null) isComplete = true
    stream.push(chunk)
  }
  return { body, arrive, stream }
}

/** Sends a request to a raw HTTP/2 server, and returns its header section and frames. */
async function requestSeenBy(request: Parameters<typeof exchangeWith>[1]) {
  let section: readonly string[] = []
  const upstream = await startFrameUpstream(
    (_id, _connection, fields) => {
      section = fields
    },
    {
      onFrame({ type, flags, streamId }, { send }) {
        const isMessage = type === FRAME.HEADERS || type === FRAME.DATA
        if (isMessage && (flags & FLAG.END_STREAM) !== 0) send(headersFrame(streamId, OK))
      },
    },
  )
  await exchangeWith(openHttp2Upstream(upstream.origin), request)
  const frames = (upstream.connections[0]?.frames ?? []).filter(({ streamId }) => streamId === 1)
  return { section, frames, host: new URL(upstream.origin).host }
}

function typesOf(frames: readonly Frame[]): string[] {
  return frames.map(
    ({ type, flags }) =>
      `${type === FRAME.DATA ? 'DATA' : 'HEADERS'}${(flags & FLAG.END_STREAM) === 0 ? '' : ' END'}`,
  )
}

test('a request without a body is one HEADERS frame that ends the stream', async () => {
  const { section, frames, host } = await requestSeenBy({ path: '/a?b=c' })
  expect(typesOf(frames)).toEqual(['HEADERS END'])
  expect(section).toEqual([
    ':method',
    'GET',
    ':scheme',
    'http',
    ':authority',
    host,
    ':path',
    '/a?b=c',
  ])
})

test('fields keep their order and number, with names in lower case', async () => {
  const fields = ['X-One', '1', 'Content-Type', 'a', 'x-one', '2', 'Content-Type', 'b', 'E', '']
  const { section } = await requestSeenBy({ fields })
  expect(section.slice(8).join()).toBe('x-one,1,content-type,a,x-one,2,content-type,b,e,')
})

test('obs-text in a field value is sent unchanged', async () => {
  const { section } = await requestSeenBy({ fields: ['X', 'caf\xe9'] })
  expect(section.slice(8)).toEqual(['x', 'caf\xe9'])
})

test('Host becomes :authority', async () => {
  const { section } = await requestSeenBy({ fields: ['Host', 'api.example:8443'] })
  expect(section.slice(4)).toEqual([':authority', 'api.example:8443', ':path', '/'])
})

test('connection-specific fields are not sent', async () => {
  const fields = ['Connection', 'x', 'Keep-Alive', 'x', 'Proxy-Connection', 'x', 'Upgrade', 'x']
  fields.push('Transfer-Encoding', 'chunked', 'HTTP2-Settings', 'x', 'TE', 'gzip')
  const { section } = await requestSeenBy({ fields })
  expect(section.slice(8)).toEqual([])
})

test('"te: trailers" is sent if the client accepts trailer fields', async () => {
  const { section } = await requestSeenBy({ acceptsTrailers: true, fields: ['TE', 'x'] })
  expect(section.slice(8)).toEqual(['te', 'trailers'])
})

test('a complete body is one DATA frame that ends the stream', async () => {
  const { frames } = await requestSeenBy({
    method: 'POST',
    body: { content: Buffer.from('abc'), trailers: [] },
  })
  expect(typesOf(frames)).toEqual(['HEADERS', 'DATA END'])
})

test('the trailer fields of a complete body are sent', async () => {
  const { frames, section } = await requestSeenBy({
    method: 'POST',
    body: { content: Buffer.from('abc'), trailers: ['A', '1', 'B', '2', 'A', '3'] },
  })
  expect(typesOf(frames)).toEqual(['HEADERS', 'DATA', 'HEADERS END'])
  expect(section).toEqual(['a', '1', 'a', '3', 'b', '2'])
})

test('the trailer fields of a streamed body are sent', async () => {
  const { body, arrive } = arrivingBody(['X-Sum', '7'])
  const seen = requestSeenBy({ method: 'POST', body })
  arrive('abc')
  await nextTurn()
  arrive(null)
  const { frames, section } = await seen
  expect(typesOf(frames).at(-1)).toBe('HEADERS END')
  expect(section).toEqual(['x-sum', '7'])
})

test('a streamed body without trailer fields ends with a DATA frame', async () => {
  const { body, arrive } = arrivingBody()
  const seen = requestSeenBy({ method: 'POST', body })
  arrive('abc')
  await nextTurn()
  arrive(null)
  const { frames } = await seen
  expect(typesOf(frames).at(-1)).toBe('DATA END')
})

test('a body of known length that has arrived has no further DATA frame', async () => {
  const { body, arrive } = arrivingBody()
  arrive('abc')
  arrive(null)
  const { frames } = await requestSeenBy({ method: 'POST', fields: ['Content-Length', '3'], body })
  expect(typesOf(frames)).toEqual(['HEADERS', 'DATA END'])
})

test('the head is sent before any part of the body arrives', async () => {
  const { origin } = await startHttp2Server((stream) => {
    stream.respond({ ':status': 200 })
    stream.end()
  })
  const { body } = arrivingBody()
  const upstream = openHttp2Upstream(origin)
  const response = await upstream.roundTrip(
    upstreamRequest({ method: 'POST', body }),
    new AbortController().signal,
  )
  expect(response.status).toBe(200)
})

test('request and response bodies are streamed at the same time', async () => {
  const { origin } = await startHttp2Server((stream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const { body, arrive } = arrivingBody()
  const upstream = openHttp2Upstream(origin)
  const response = await upstream.roundTrip(
    upstreamRequest({ method: 'POST', body }),
    new AbortController().signal,
  )
  let received = ''
  const done = response.pipeTo(collectingWriter((chunk) => void (received += chunk.toString())))
  for (const part of ['one ', 'two ', 'three']) {
    arrive(part)
    await until(() => received.endsWith(part))
  }
  arrive(null)
  await done
  expect(received).toBe('one two three')
})

test('a body that the upstream does not read is paused, and continues when it reads', async () => {
  const isReleased = Promise.withResolvers<void>()
  const { origin } = await startHttp2Server((stream) => {
    void isReleased.promise.then(() => {
      let length = 0
      stream.on('data', (chunk: Buffer) => void (length += chunk.length))
      stream.on('end', () => {
        stream.respond({ ':status': 200 })
        stream.end(String(length))
      })
    })
  })
  let produced = 0
  const stream = new Readable({
    read() {
      produced += 65_536
      this.push(produced > 16 * 1024 * 1024 ? null : Buffer.alloc(65_536))
    },
  })
  const { body } = arrivingBody()
  const response = exchangeWith(openHttp2Upstream(origin), {
    method: 'POST',
    body: { ...body, stream },
  })
  let before = -1
  await until(() => {
    const isStill = produced > 0 && produced === before
    before = produced
    return isStill
  })
  expect(produced).toBeLessThan(1024 * 1024)
  isReleased.resolve()
  expect(await response).toMatchObject({ status: 200, body: String(16 * 1024 * 1024) })
})

test('the rest of a request body is cancelled if the upstream has responded without it', async () => {
  const { origin, connections } = await startFrameUpstream((id, { send }) =>
    send(
      headersFrame(id, [':status', '413'], FLAG.END_HEADERS),
      dataFrame(id, 'too large', FLAG.END_STREAM),
    ),
  )
  const { body, stream } = arrivingBody()
  const response = await exchangeWith(openHttp2Upstream(origin), { method: 'POST', body })
  expect(response).toMatchObject({ status: 413, body: 'too large' })
  expect(stream.destroyed).toBe(true)
  const resets = () =>
    (connections[0]?.frames ?? []).filter(({ type }) => type === FRAME.RST_STREAM)
  await until(() => resets().length > 0)
  expect(resets().map(({ payload }) => payload.readUInt32BE())).toEqual([ERROR.CANCEL])
})

test('a truncated request body fails the request and cancels its stream', async () => {
  const { origin, connections } = await startFrameUpstream(() => {})
  const { body, stream } = arrivingBody()
  const response = exchangeWith(openHttp2Upstream(origin), { method: 'POST', body })
  await until(() => (connections[0]?.frames ?? []).some(({ type }) => type === FRAME.HEADERS))
  stream.destroy(new Error('the client is gone'))
  await expect(response).rejects.toMatchObject({ cause: { message: 'the client is gone' } })
  await until(() => connections[0]?.frames.at(-1)?.type === FRAME.RST_STREAM)
})

test('a field that is invalid in HTTP/2 fails only its own request', async () => {
  const { origin } = await startHttp2Server((stream) => {
    stream.respond({ ':status': 204 }, { endStream: true })
  })
  const upstream = openHttp2Upstream(origin)
  await exchangeWith(upstream)
  await expect(exchangeWith(upstream, { fields: ['a b', 'c'] })).rejects.toThrow('Cannot')
  expect(await exchangeWith(upstream)).toMatchObject({ status: 204 })
})
