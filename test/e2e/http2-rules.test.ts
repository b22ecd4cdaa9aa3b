import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import {
  dataFrame,
  encodeFrame,
  ERROR,
  FLAG,
  FRAME,
  type FrameClient,
  headersFrame,
  openFrameClient,
  type ReceivedStream,
  requestFields,
  valueOf,
} from '../helpers/http2-frames.ts'
import { encodeFields } from '../helpers/hpack.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/** RFC 9113 sections 8.2 and 8.3; each is one request with these fields, in this order. */
test.for([
  { what: 'a connection field', fields: requestFields(['connection', 'close']) },
  { what: 'a keep-alive field', fields: requestFields(['keep-alive', 'timeout=5']) },
  { what: 'a proxy-connection field', fields: requestFields(['proxy-connection', 'close']) },
  { what: 'a transfer-encoding field', fields: requestFields(['transfer-encoding', 'chunked']) },
  { what: 'an upgrade field', fields: requestFields(['upgrade', 'websocket']) },
  { what: 'TE with a coding', fields: requestFields(['te', 'gzip']) },
  { what: 'TE with trailers and a coding', fields: requestFields(['te', 'trailers, gzip']) },
  { what: 'an upper-case name', fields: requestFields(['X-Upper', 'a']) },
  { what: 'an unknown pseudo-header field', fields: requestFields([':x', 'a']) },
  { what: 'a pseudo-header field after a field', fields: ['x-a', 'a', ...requestFields()] },
  { what: 'a response pseudo-header field', fields: [':status', '200', ...requestFields()] },
  { what: 'two :method', fields: [':method', 'GET', ...requestFields()] },
  { what: 'two :path', fields: [':path', '/', ...requestFields()] },
  { what: 'two :scheme', fields: [':scheme', 'http', ...requestFields()] },
  { what: 'two :authority', fields: [':authority', 'localhost', ...requestFields()] },
  { what: 'no :method', fields: without(':method') },
  { what: 'no :scheme', fields: without(':scheme') },
  { what: 'no :path', fields: without(':path') },
  { what: 'no :authority and no Host', fields: without(':authority') },
  { what: 'an empty :path', fields: requestFields([], { path: '' }) },
  { what: 'an absolute URL as :path', fields: requestFields([], { path: 'http://localhost/' }) },
  { what: 'a :path without a slash', fields: requestFields([], { path: 'a' }) },
  { what: 'a :path with a space', fields: requestFields([], { path: '/a b' }) },
  { what: 'a :path with an octet beyond ASCII', fields: requestFields([], { path: '/caf\xe9' }) },
  { what: '"*" as :path of GET', fields: requestFields([], { path: '*' }) },
  { what: 'a :path with a fragment', fields: requestFields([], { path: '/#a' }) },
  { what: 'a :path with dot segments', fields: requestFields([], { path: '/a/../b' }) },
  { what: 'another :scheme', fields: requestFields([], { scheme: 'ftp' }) },
  { what: 'a :scheme in upper case', fields: requestFields([], { scheme: 'HTTP' }) },
  { what: 'a method with a space', fields: requestFields([], { method: 'GET /' }) },
  { what: 'a method that HTTP/1.1 would not accept', fields: requestFields([], { method: 'FOO' }) },
  { what: 'a method in lower case', fields: requestFields([], { method: 'get' }) },
  { what: 'an empty :authority', fields: requestFields([], { authority: '' }) },
  { what: 'an :authority with user information', fields: requestFields([], { authority: 'a@b' }) },
  { what: 'another Host than :authority', fields: requestFields(['host', 'other.example']) },
  { what: 'a Host with another port', fields: requestFields(['host', 'localhost:81']) },
  { what: 'two Host fields', fields: requestFields(['host', 'localhost', 'host', 'localhost']) },
  { what: 'a content-length without content', fields: requestFields(['content-length', '5']) },
  { what: 'an invalid content-length', fields: requestFields(['content-length', '0x5']) },
  {
    what: 'two content-length fields',
    fields: requestFields(['content-length', '0', 'content-length', '0']),
  },
  {
    what: 'extended CONNECT',
    fields: requestFields([':protocol', 'websocket'], { method: 'CONNECT' }),
  },
  { what: 'the method CONNECT and a :path', fields: requestFields([], { method: 'CONNECT' }) },
  { what: 'the method CONNECT and no :authority', fields: [':method', 'CONNECT'] },
  { what: 'the method TRACE', fields: requestFields([], { method: 'TRACE' }) },
])('a request with $what is rejected, and other streams are served', async ({ fields }) => {
  const { client, received } = await start()
  client.send(headersFrame(1, fields), headersFrame(3, requestFields([], { path: '/next' })))
  expectRejection(await client.response(1))
  const next = await client.response(3)
  expect(valueOf(next.sections[0], ':status')).toBe('200')
  expect(received.map(({ url }) => url)).toEqual(['/next'])
})

/** RFC 9113 section 8.2.1. nghttp2 removes such a field before node:http2 sees the request. */
test.for([
  { what: 'a name with a space', field: ['x a', 'a'] },
  { what: 'a name with a colon', field: ['x:a', 'a'] },
  { what: 'a name with a line break', field: ['x\r\ny', 'a'] },
  { what: 'an empty name', field: ['', 'a'] },
  { what: 'a value with CR LF', field: ['x-a', 'a\r\nx-b: c'] },
  { what: 'a value with NUL', field: ['x-a', 'a\0b'] },
  { what: 'a value with a leading space', field: ['x-a', ' a'] },
  { what: 'a value with a trailing tab', field: ['x-a', 'a\t'] },
])('$what is not forwarded', async ({ field }) => {
  const { client, received } = await start()
  client.send(headersFrame(1, requestFields(field)), headersFrame(3, requestFields()))
  await client.response(1)
  await client.response(3)
  const names = received.flatMap(({ rawHeaders }) => rawHeaders.filter((_, i) => i % 2 === 0))
  expect(new Set(names)).toEqual(new Set(['host', 'Via', 'Connection']))
})

test('less content than announced is a stream error that fails the upstream request', async () => {
  let isComplete = false
  const { client } = await start((req) => {
    if (req.method === 'POST') req.on('end', () => void (isComplete = true))
  })
  client.send(
    headersFrame(1, requestFields(['content-length', '5'], { method: 'POST' }), FLAG.END_HEADERS),
    dataFrame(1, 'abc', FLAG.END_STREAM),
    headersFrame(3, requestFields()),
  )
  expect(await client.response(1)).toMatchObject({ resetCode: ERROR.PROTOCOL_ERROR })
  expect(valueOf((await client.response(3)).sections[0], ':status')).toBe('200')
  expect(isComplete).toBe(false)
})

/** node:http2 ends the connection, which RFC 9113 section 8.1.1 allows. */
test('more content than announced is not forwarded', async () => {
  const { client, received } = await start()
  client.send(
    headersFrame(1, requestFields(['content-length', '2'], { method: 'POST' }), FLAG.END_HEADERS),
    dataFrame(1, 'abc', FLAG.END_STREAM),
  )
  expect((await client.response(1)).sections).toEqual([])
  expect(client.goaway()).toBe(ERROR.INTERNAL_ERROR)
  await until(() => received.every(({ complete, destroyed }) => !complete && destroyed))
})

test.for([
  { what: 'a pseudo-header field', trailers: [':path', '/'] },
  { what: 'a connection field', trailers: ['connection', 'close'] },
  { what: 'an upper-case name', trailers: ['X-A', 'a'] },
])('$what in the trailer section is a stream error', async ({ trailers }) => {
  let isComplete = false
  const { client } = await start((req) => {
    if (req.method === 'POST') req.on('end', () => void (isComplete = true))
  })
  client.send(
    headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS),
    dataFrame(1, 'abc'),
    headersFrame(1, trailers),
    headersFrame(3, requestFields()),
  )
  expect(await client.response(1)).toMatchObject({ resetCode: ERROR.PROTOCOL_ERROR })
  await client.response(3)
  expect(isComplete).toBe(false)
})

test('several cookie fields are joined for HTTP/1.1', async () => {
  const { client, received } = await start()
  const crumbs = ['cookie', 'a=1', 'x-a', 'b', 'cookie', 'c=2', 'cookie', 'd=3']
  client.send(headersFrame(1, requestFields(crumbs)))
  await client.response(1)
  expect(valuesOf(received[0], 'cookie')).toEqual(['a=1; c=2; d=3'])
})

test('a Host that is the same as :authority is forwarded once', async () => {
  const { client, received } = await start()
  client.send(headersFrame(1, requestFields(['host', 'LOCALHOST'])))
  expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('200')
  expect(valuesOf(received[0], 'host')).toHaveLength(1)
})

test('a request with Host instead of :authority is forwarded', async () => {
  const { client, received } = await start()
  client.send(headersFrame(1, [...without(':authority'), 'host', 'localhost']))
  expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('200')
  expect(received).toHaveLength(1)
})

test('TE: trailers is accepted', async () => {
  const { client } = await start()
  client.send(headersFrame(1, requestFields(['te', 'trailers'])))
  expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('200')
})

test('octets beyond ASCII in values are forwarded unchanged, both ways', async () => {
  const { client, received } = await start((_req, res) => res.setHeader('x-back', 'caf\xe9'))
  client.send(headersFrame(1, requestFields(['x-there', 'na\xefve'])))
  const response = await client.response(1)
  expect(received[0]?.headers['x-there']).toBe('na\xefve')
  expect(valueOf(response.sections[0], 'x-back')).toBe('caf\xe9')
})

test('connection-specific fields of a response are not forwarded', async () => {
  const { client } = await start((_req, res) => {
    res.setHeader('connection', 'x-hop, keep-alive')
    res.setHeader('x-hop', 'a')
    res.setHeader('keep-alive', 'timeout=5')
    res.setHeader('proxy-connection', 'close')
    res.setHeader('http2-settings', 'AAA')
    res.setHeader('upgrade', 'h2c')
  })
  client.send(headersFrame(1, requestFields()))
  const names = (await client.response(1)).sections[0]?.filter((_, i) => i % 2 === 0)
  expect(names).toEqual([':status', 'date', 'via'])
})

test('a field name with underscores and a field that is sent twice are forwarded', async () => {
  const { client } = await start((_req, res) =>
    res.writeHead(200, ['__proto__', 'a', 'Age', '1', 'Age', '2']).end(),
  )
  client.send(headersFrame(1, requestFields()))
  const section = (await client.response(1)).sections[0] ?? []
  expect(valueOf(section, '__proto__')).toBe('a')
  expect(section.filter((text) => text === 'age')).toHaveLength(2)
})

test('an invalid upstream status code is reported as 502', async () => {
  const { client } = await start((_req, res) => res.writeHead(999).end())
  client.send(headersFrame(1, requestFields()))
  const response = await client.response(1)
  expect(valueOf(response.sections[0], ':status')).toBe('502')
  expect(response.content.toString()).toContain('upstream_protocol')
})

test('a request of a web page of another origin is rejected', async () => {
  const { client, received } = await start()
  client.send(headersFrame(1, requestFields(['origin', 'https://evil.example'])))
  client.send(headersFrame(3, requestFields([], { authority: 'evil.example' })))
  expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('403')
  expect(valueOf((await client.response(3)).sections[0], ':status')).toBe('403')
  expect(received).toEqual([])
})

test('a header section in CONTINUATION frames is one section', async () => {
  const { client, received } = await start()
  const block = encodeFields(requestFields(['x-a', 'b'], { path: '/continued' }))
  client.send(
    encodeFrame(FRAME.HEADERS, FLAG.END_STREAM, 1, block.subarray(0, 20)),
    encodeFrame(FRAME.CONTINUATION, 0, 1, block.subarray(20, 40)),
    encodeFrame(FRAME.CONTINUATION, FLAG.END_HEADERS, 1, block.subarray(40)),
  )
  await client.response(1)
  expect(received.map(({ url }) => url)).toEqual(['/continued'])
})

test('a PUSH_PROMISE frame of a client closes the connection', async () => {
  const { client } = await start()
  client.send(
    headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS),
    encodeFrame(FRAME.PUSH_PROMISE, FLAG.END_HEADERS, 1, Buffer.from([0, 0, 0, 2, 0x82])),
  )
  await client.response(1)
  expect(client.goaway()).toBe(ERROR.PROTOCOL_ERROR)
})

type Handler = (
  req: IncomingMessage,
  res: Parameters<Parameters<typeof startServer>[0]>[1],
) => unknown

/** A sidecar in front of an upstream that responds with 200, and a client that has connected to it. */
async function start(
  handler: Handler = () => {},
): Promise<{ client: FrameClient; received: IncomingMessage[] }> {
  const received: IncomingMessage[] = []
  const upstream = await startServer((req, res) => {
    received.push(req)
    handler(req, res)
    req.resume()
    if (!res.headersSent) res.writeHead(200)
    if (!res.writableEnded) res.end()
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  return { client: await openFrameClient(sidecar.proxyUrl), received }
}

/** Either a stream error or an error response. */
function expectRejection({ sections, resetCode }: ReceivedStream): void {
  expect(valueOf(sections[0], ':status') ?? resetCode).toBeOneOf([
    '400',
    '501',
    ERROR.PROTOCOL_ERROR,
  ])
}

function without(name: string): string[] {
  const fields = requestFields()
  return fields.toSpliced(fields.indexOf(name), 2)
}

function valuesOf(req: IncomingMessage | undefined, name: string): string[] {
  const raw = req?.rawHeaders ?? []
  return raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name)
}
