import { expect, test } from 'vitest'
import {
  dataFrame,
  encodeFrame,
  ERROR,
  FLAG,
  FRAME,
  headersFrame,
  resetFrame,
} from '../../helpers/http2-frames.ts'
import { type FrameConnection, startFrameUpstream } from '../../helpers/frame-upstream.ts'
import { exchangeWith, openHttp2Upstream } from '../../helpers/http2-upstream.ts'
import { collectingWriter, upstreamRequest } from '../../helpers/upstream-request.ts'
import { until } from '../../helpers/wait.ts'

const { END_HEADERS, END_STREAM } = FLAG
const OK = [':status', '200']

type Row = {
  readonly what: string
  readonly frames: (id: number) => readonly Buffer[]
  readonly method?: string
}

const head = (id: number, fields: readonly string[], flags = 0) =>
  headersFrame(id, fields, flags | END_HEADERS)

const MALFORMED: readonly Row[] = [
  {
    what: 'less DATA than Content-Length',
    frames: (id) => [head(id, [...OK, 'content-length', '5']), dataFrame(id, 'abc', END_STREAM)],
  },
  {
    what: 'more DATA than Content-Length',
    frames: (id) => [head(id, [...OK, 'content-length', '2']), dataFrame(id, 'abc', END_STREAM)],
  },
  {
    what: 'two different Content-Length fields',
    frames: (id) => [
      head(id, [...OK, 'content-length', '3', 'content-length', '4']),
      dataFrame(id, 'abc', END_STREAM),
    ],
  },
  {
    what: 'a Content-Length that is not a number',
    frames: (id) => [head(id, [...OK, 'content-length', '+3']), dataFrame(id, 'abc', END_STREAM)],
  },
  {
    what: 'DATA in the response to HEAD',
    method: 'HEAD',
    frames: (id) => [head(id, [...OK, 'content-length', '3']), dataFrame(id, 'abc', END_STREAM)],
  },
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    (name): Row => ({
      what: `the connection-specific field ${name}`,
      frames: (id) => [head(id, [...OK, name, 'x'], END_STREAM)],
    }),
  ),
  { what: 'no :status', frames: (id) => [head(id, ['a', 'b'], END_STREAM)] },
  { what: 'two :status', frames: (id) => [head(id, [...OK, ...OK], END_STREAM)] },
  { what: ':status behind a field', frames: (id) => [head(id, ['a', 'b', ...OK], END_STREAM)] },
  { what: 'a pseudo-header field of requests', frames: (id) => [head(id, [...OK, ':path', '/'])] },
  { what: 'an unknown pseudo-header field', frames: (id) => [head(id, [...OK, ':x', '/'])] },
  ...['20', '2000', '099', 'abc', '', '-20', '+20', '101'].map((status): Row => ({
    what: `the status "${status}"`,
    frames: (id) => [head(id, [':status', status], END_STREAM)],
  })),
  { what: 'a 101', frames: (id) => [head(id, [':status', '101']), head(id, OK, END_STREAM)] },
  {
    what: 'an interim response that ends the stream',
    frames: (id) => [head(id, [':status', '103'], END_STREAM)],
  },
  {
    what: 'a field name in upper case',
    frames: (id) => [head(id, [...OK, 'X-Upper', 'b'], END_STREAM)],
  },
  {
    what: 'DATA before the header section',
    frames: (id) => [dataFrame(id, 'abc', END_STREAM)],
  },
  {
    what: 'trailers with a pseudo-header field',
    frames: (id) => [head(id, OK), dataFrame(id, 'abc'), head(id, OK, END_STREAM)],
  },
  {
    what: 'a trailer section that does not end the stream',
    frames: (id) => [head(id, OK), dataFrame(id, 'abc'), head(id, ['a', 'b'])],
  },
  {
    what: 'too many interim responses',
    frames: (id) => [
      ...Array.from({ length: 65 }, () => head(id, [':status', '103'])),
      head(id, OK, END_STREAM),
    ],
  },
  {
    what: 'a header section that is too large',
    frames: (id) => [
      head(id, [...OK, ...Array.from({ length: 20 }, () => ['x', 'y'.repeat(1_000)]).flat()]),
    ],
  },
]

test.for(MALFORMED)('a response with $what fails', async ({ frames, method = 'GET' }) => {
  const { origin } = await startFrameUpstream((id, { send }) => send(...frames(id)))
  const upstream = openHttp2Upstream(origin)
  await expect(exchangeWith(upstream, { method })).rejects.toMatchObject({
    code: 'upstream_protocol',
  })
})

const HIDDEN = [
  { what: 'a line feed in a value', field: ['a', 'b\nc: d'] },
  { what: 'a NUL in a value', field: ['a', 'b\0c'] },
  { what: 'a space in a name', field: ['a b', 'c'] },
  { what: 'a colon in a name', field: ['a:b', 'c'] },
  { what: 'white space around a value', field: ['a', ' b '] },
]

test.for(HIDDEN)('a field with $what is not forwarded', async ({ field }) => {
  const { origin } = await startFrameUpstream((id, { send }) =>
    send(head(id, [...OK, ...field, 'good', 'yes'], END_STREAM)),
  )
  const outcome = await exchangeWith(openHttp2Upstream(origin)).then(
    ({ fields }) => fields,
    () => ['good', 'yes'],
  )
  expect(outcome).toEqual(['good', 'yes'])
})

const VALID: readonly (Row & { readonly body: string; readonly trailers?: readonly string[] })[] = [
  {
    what: 'a Content-Length in the response to HEAD',
    method: 'HEAD',
    frames: (id) => [head(id, [...OK, 'content-length', '3'], END_STREAM)],
    body: '',
  },
  {
    what: 'padding',
    frames: (id) => [
      head(id, OK),
      encodeFrame(FRAME.DATA, 8 | END_STREAM, id, Buffer.from('\x02abc\0\0')),
    ],
    body: 'abc',
  },
  {
    what: 'empty DATA frames',
    frames: (id) => [
      head(id, OK),
      dataFrame(id, ''),
      dataFrame(id, 'a'),
      dataFrame(id, ''),
      dataFrame(id, 'b'),
      dataFrame(id, '', END_STREAM),
    ],
    body: 'ab',
  },
  {
    what: 'a trailer section',
    frames: (id) => [
      head(id, OK),
      dataFrame(id, 'abc'),
      head(id, ['grpc-status', '0', 'x', '1', 'x', '2'], END_STREAM),
    ],
    body: 'abc',
    trailers: ['grpc-status', '0', 'x', '1', 'x', '2'],
  },
  {
    what: 'a trailer section and no body',
    frames: (id) => [head(id, OK), head(id, ['grpc-status', '0'], END_STREAM)],
    body: '',
    trailers: ['grpc-status', '0'],
  },
  {
    what: 'interim responses',
    frames: (id) => [
      head(id, [':status', '100']),
      head(id, [':status', '103', 'link', '</a>']),
      head(id, OK),
      dataFrame(id, 'abc', END_STREAM),
    ],
    body: 'abc',
  },
  {
    what: 'a header section in many CONTINUATION frames',
    frames: (id) => [
      headersFrame(id, OK, END_STREAM),
      ...Array.from({ length: 6 }, () => encodeFrame(FRAME.CONTINUATION, 0, id)),
      encodeFrame(FRAME.CONTINUATION, END_HEADERS, id),
    ],
    body: '',
  },
]

test.for(VALID)('a response with $what arrives complete', async (row) => {
  const { frames, method = 'GET', body, trailers = [] } = row
  const { origin } = await startFrameUpstream((id, { send }) => send(...frames(id)))
  const response = await exchangeWith(openHttp2Upstream(origin), { method })
  expect(response).toMatchObject({ status: 200, body, trailers })
})

test('interim responses other than 100 are forwarded', async () => {
  const { origin } = await startFrameUpstream((id, { send }) =>
    send(
      head(id, [':status', '100', 'a', 'b']),
      head(id, [':status', '103', 'link', '</a>']),
      head(id, OK, END_STREAM),
    ),
  )
  const interim: unknown[] = []
  await exchangeWith(openHttp2Upstream(origin), {
    onInterim(status, fields) {
      interim.push(status, fields)
      return 'sent'
    },
  })
  expect(interim).toEqual([103, ['link', '</a>']])
})

const RESETS = [
  { name: 'NO_ERROR', code: ERROR.NO_ERROR, failure: 'upstream_reset' },
  { name: 'CANCEL', code: ERROR.CANCEL, failure: 'upstream_reset' },
  { name: 'INTERNAL_ERROR', code: ERROR.INTERNAL_ERROR, failure: 'upstream_reset' },
  { name: 'PROTOCOL_ERROR', code: ERROR.PROTOCOL_ERROR, failure: 'upstream_protocol' },
  { name: 'HTTP_1_1_REQUIRED', code: 13, failure: 'upstream_protocol' },
  { name: 'error code 77', code: 77, failure: 'upstream_reset' },
]

test.for(RESETS)(
  'a stream that is reset with $name before the response fails with $failure',
  async ({ name, code, failure }) => {
    const { origin } = await startFrameUpstream((id, { send }) => send(resetFrame(id, code)))
    await expect(exchangeWith(openHttp2Upstream(origin))).rejects.toMatchObject({
      code: failure,
      message: expect.stringContaining(`(${name})`),
    })
  },
)

test.for(RESETS)(
  'a response that is truncated by $name is not complete',
  async ({ name, code, failure }) => {
    const { origin } = await startFrameUpstream((id, { send }) =>
      send(head(id, OK), dataFrame(id, 'abc'), resetFrame(id, code)),
    )
    await expect(exchangeWith(openHttp2Upstream(origin))).rejects.toMatchObject({
      code: failure,
      message: expect.stringContaining(`(${name})`),
    })
  },
)

test('a response that is truncated by the end of the connection is not complete', async () => {
  const { origin } = await startFrameUpstream((id, { send, socket }) => {
    send(head(id, OK), dataFrame(id, 'abc'))
    socket.end()
  })
  await expect(exchangeWith(openHttp2Upstream(origin))).rejects.toMatchObject({
    code: 'upstream_reset',
  })
})

test('a complete response that the client has not read is delivered after the end of the connection', async () => {
  const { origin, connections } = await startFrameUpstream((id, { send, socket }) => {
    send(head(id, OK), dataFrame(id, 'a'.repeat(10_000)), dataFrame(id, 'b', END_STREAM))
    socket.end()
  })
  const upstream = openHttp2Upstream(origin)
  const response = await upstream.roundTrip(upstreamRequest(), new AbortController().signal)
  await until(() => connections[0]?.socket.closed === true && upstream.load().connected === 0)
  let length = 0
  await response.pipeTo(collectingWriter((chunk) => void (length += chunk.length)))
  expect(length).toBe(10_001)
})

test('a discarded response is read to its end if it is short', async () => {
  const { origin, connections } = await startFrameUpstream((id, { send }) =>
    send(head(id, OK), dataFrame(id, 'abc', END_STREAM)),
  )
  const upstream = openHttp2Upstream(origin)
  const response = await upstream.roundTrip(upstreamRequest(), new AbortController().signal)
  response.discard()
  await until(() => upstream.load().running === 0)
  expect(resetsOf(connections[0])).toEqual([])
})

test('the stream of a discarded long response is cancelled', async () => {
  const { origin, connections } = await startFrameUpstream((id, { send }) =>
    send(head(id, OK), ...Array.from({ length: 8 }, () => dataFrame(id, Buffer.alloc(16_384)))),
  )
  const upstream = openHttp2Upstream(origin)
  const response = await upstream.roundTrip(upstreamRequest(), new AbortController().signal)
  response.discard()
  await until(() => resetsOf(connections[0]).length > 0)
  expect(resetsOf(connections[0])).toEqual([ERROR.CANCEL])
})

test('an aborted request cancels its stream, and fails with the reason', async () => {
  const { origin, connections } = await startFrameUpstream(() => {})
  const upstream = openHttp2Upstream(origin)
  const controller = new AbortController()
  const response = exchangeWith(upstream, {}, controller.signal)
  await until(() => (connections[0]?.frames ?? []).some(({ type }) => type === FRAME.HEADERS))
  controller.abort(new Error('no longer needed'))
  await expect(response).rejects.toMatchObject({ cause: { message: 'no longer needed' } })
  await until(() => resetsOf(connections[0]).length > 0)
  expect(resetsOf(connections[0])).toEqual([ERROR.CANCEL])
})

function resetsOf(connection: FrameConnection | undefined): number[] {
  return (connection?.frames ?? [])
    .filter(({ type }) => type === FRAME.RST_STREAM)
    .map(({ payload }) => payload.readUInt32BE())
}
