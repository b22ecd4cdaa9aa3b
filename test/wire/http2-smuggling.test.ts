import { describe, expect, test } from 'vitest'
import {
  dataFrame,
  ERROR,
  FLAG,
  headersFrame,
  openFrameClient,
  requestFields,
  valueOf,
} from '../helpers/http2-frames.ts'
import { startFrameWireUpstream } from './http2/frame-wire-upstream.ts'
import { startWithToken } from './proxy-under-test.ts'
import { http1Peers, type WirePeers } from './run-wire-case.ts'
import { OK_RESPONSE } from './wire-case.ts'
import { PROBE_TARGET } from './wire-upstream.ts'

/** A request that must never be taken out of the one that contains it. */
const INNER = 'GET /orders/inner HTTP/1.1\r\nHost: localhost\r\n\r\n'
const CRLF_FIELD = '\r\nX-Evil: 1'

type Attempt = { readonly what: string; readonly frames: readonly Buffer[] }

const with_ = (...fields: readonly string[]): Buffer[] => [headersFrame(1, at('/orders', fields))]

function at(path: string, fields: readonly string[] = []): string[] {
  return requestFields(fields, { path })
}

function pathOf(path: string): Buffer[] {
  return [headersFrame(1, at(path))]
}

function authorityOf(authority: string): Buffer[] {
  return [headersFrame(1, requestFields([], { path: '/orders', authority }))]
}

function methodOf(method: string): Buffer[] {
  return [headersFrame(1, requestFields([], { path: '/orders', method }))]
}

function schemeOf(scheme: string): Buffer[] {
  return [headersFrame(1, requestFields([], { path: '/orders', scheme }))]
}

/** A POST with this content, and then this trailer section. */
function post(fields: readonly string[], content: string, trailers?: readonly string[]): Buffer[] {
  const head = requestFields(fields, { path: '/orders', method: 'POST' })
  return [
    headersFrame(1, head, FLAG.END_HEADERS),
    dataFrame(1, content, trailers === undefined ? FLAG.END_STREAM : 0),
    ...(trailers === undefined ? [] : [headersFrame(1, trailers)]),
  ]
}

/** RFC 9113 sections 8.2 and 8.3: rejected before any part of the request is sent to the upstream. */
const MALFORMED_HEADS: readonly Attempt[] = [
  { what: 'a name in upper case', frames: with_('X-Upper', '1') },
  { what: 'Transfer-Encoding', frames: with_('transfer-encoding', 'chunked') },
  { what: 'Transfer-Encoding in a POST', frames: post(['transfer-encoding', 'chunked'], INNER) },
  { what: 'Connection', frames: with_('connection', 'authorization') },
  { what: 'Upgrade', frames: with_('upgrade', 'h2c') },
  { what: 'Keep-Alive', frames: with_('keep-alive', 'timeout=5') },
  { what: 'Proxy-Connection', frames: with_('proxy-connection', 'close') },
  { what: 'TE: gzip', frames: with_('te', 'gzip') },
  { what: 'TE: trailers, gzip', frames: with_('te', 'trailers, gzip') },
  { what: 'a :path with a space', frames: pathOf('/orders HTTP/1.1') },
  { what: 'a :path with a tab', frames: pathOf('/orders\tx') },
  {
    what: 'a :path with a line break',
    frames: pathOf(`/orders HTTP/1.1\r\nHost: a\r\n\r\n${INNER}`),
  },
  { what: 'a :path with a line feed', frames: pathOf('/orders\nx') },
  { what: 'a :path with NUL', frames: pathOf('/orders\0') },
  { what: 'a :path beyond ASCII', frames: pathOf('/orders/caf\xe9') },
  { what: 'a :path in absolute form', frames: pathOf('http://localhost/orders') },
  { what: 'a :path in authority form', frames: pathOf('localhost:80') },
  { what: 'a :path with a fragment', frames: pathOf('/orders#x') },
  { what: 'a :path with dot segments', frames: pathOf('/orders/../x') },
  { what: 'an empty :path', frames: pathOf('') },
  { what: 'two :path', frames: with_(':path', '/orders') },
  {
    what: 'two :path, one after the other',
    frames: [headersFrame(1, [':path', '/x', ...at('/orders')])],
  },
  {
    what: 'a pseudo-header field after a regular field',
    frames: [headersFrame(1, ['x-a', '1', ...at('/orders')])],
  },
  { what: 'an unknown pseudo-header field', frames: with_(':evil', '1') },
  { what: ':status', frames: [headersFrame(1, [':status', '200', ...at('/orders')])] },
  { what: ':protocol', frames: [headersFrame(1, [':protocol', 'websocket', ...at('/orders')])] },
  {
    what: 'a method with a request line',
    frames: methodOf(`GET /orders HTTP/1.1\r\nHost: a\r\n\r\nGET`),
  },
  { what: 'a method with a space', frames: methodOf('GET /x') },
  { what: 'an empty method', frames: methodOf('') },
  { what: 'TRACE', frames: methodOf('TRACE') },
  { what: 'a :scheme with a line break', frames: schemeOf(`http${CRLF_FIELD}`) },
  { what: 'a :scheme with an authority', frames: schemeOf('http://evil/x?') },
  { what: 'an :authority with user information', frames: authorityOf('localhost@evil') },
  { what: 'an :authority with a path', frames: authorityOf('localhost/evil') },
  { what: 'an :authority with a space', frames: authorityOf('localhost evil') },
  { what: 'an :authority with a line break', frames: authorityOf(`localhost${CRLF_FIELD}`) },
  { what: 'an :authority that is a list', frames: authorityOf('localhost, evil') },
  { what: 'an :authority with a port of letters', frames: authorityOf('localhost:evil') },
  { what: 'an empty :authority', frames: authorityOf('') },
  { what: 'a Host that differs from :authority', frames: with_('host', 'evil') },
  { what: 'a Host with another port', frames: with_('host', 'localhost:81') },
  { what: 'two Host fields', frames: with_('host', 'localhost', 'host', 'localhost') },
  { what: 'a length without content', frames: with_('content-length', '5') },
  { what: 'two lengths', frames: post(['content-length', '5', 'content-length', '5'], 'hello') },
  { what: 'a list of lengths', frames: post(['content-length', '5, 5'], 'hello') },
  { what: 'a signed length', frames: post(['content-length', '+5'], 'hello') },
  { what: 'a length in hexadecimal', frames: post(['content-length', '0x5'], 'hello') },
  { what: 'an empty length', frames: post(['content-length', ''], 'hello') },
]

/** Only the content shows that these are malformed: the upstream may receive the beginning, but no complete request. */
const MALFORMED_BODIES: readonly Attempt[] = [
  { what: 'more content than its length', frames: post(['content-length', '5'], `hello${INNER}`) },
  { what: 'content although Content-Length is 0', frames: post(['content-length', '0'], INNER) },
  { what: 'less content than its length', frames: post(['content-length', '500'], INNER) },
  {
    what: 'a trailer section before its length is reached',
    frames: post(['content-length', '500'], INNER, ['x-sum', '1']),
  },
  { what: ':path in the trailer section', frames: post([], INNER, [':path', '/orders/inner']) },
  { what: ':status in the trailer section', frames: post([], INNER, [':status', '200']) },
  { what: 'Connection in the trailer section', frames: post([], INNER, ['connection', 'close']) },
  {
    what: 'Transfer-Encoding in the trailer section',
    frames: post([], INNER, ['transfer-encoding', 'chunked']),
  },
  { what: 'TE: gzip in the trailer section', frames: post([], INNER, ['te', 'gzip']) },
  { what: 'an upper-case name in the trailer section', frames: post([], INNER, ['X-Sum', '1']) },
  {
    what: 'a trailer section that does not end the stream',
    frames: [
      ...post([], INNER, []).slice(0, 2),
      headersFrame(1, ['x-sum', '1'], FLAG.END_HEADERS),
      dataFrame(1, INNER, FLAG.END_STREAM),
    ],
  },
]

/**
 * RFC 9113 section 8.2.1 calls these malformed. nghttp2 removes such a field before node:http2 sees the
 * request, so the request is forwarded without it.
 */
const REMOVED_FIELDS: readonly (readonly [what: string, name: string, value: string])[] = [
  ['a value with CR LF', 'x-a', `1${CRLF_FIELD}`],
  ['a value with a request', 'x-a', `1\r\n\r\n${INNER}`],
  ['a value with CR', 'x-a', '1\r2'],
  ['a value with LF', 'x-a', '1\n2'],
  ['a value with NUL', 'x-a', '1\x002'],
  ['a value with a space in front', 'x-a', ' 1'],
  ['a name with CR LF', 'x-a\r\nx-evil', '1'],
  ['a name with a colon', 'x-a:x-evil', '1'],
  ['a name with a space', 'x-a ', '1'],
  ['an empty name', '', '1'],
  ['a cookie with CR LF', 'cookie', `a=1${CRLF_FIELD}`],
  ['HTTP2-Settings', 'http2-settings', 'AAMAAABk'],
  ['Proxy-Authorization', 'proxy-authorization', 'Basic YTpi'],
]

const UPSTREAMS: readonly Pick<WirePeers, 'startUpstream' | 'upstreamProtocol'>[] = [
  http1Peers(),
  { startUpstream: startFrameWireUpstream, upstreamProtocol: 'HTTP/2' },
]

describe.for(UPSTREAMS)(
  'an upstream of $upstreamProtocol',
  ({ startUpstream, upstreamProtocol }) => {
    test.for(MALFORMED_HEADS)('receives nothing of a request with $what', async ({ frames }) => {
      const { upstream, client } = await start()
      client.send(...frames)
      expectRefusal(await client.response(1))
      await expectNextServed(client)
      expect(upstream.requests).toEqual([])
      expect(upstream.incompleteInput()).toEqual([])
    })

    test.for(MALFORMED_BODIES)(
      'receives no complete request if the request has $what',
      async ({ frames }) => {
        const { upstream, client, proxyUrl } = await start()
        client.send(...frames)
        const { sections, resetCode } = await client.response(1)
        // node:http2 ends the connection at more content than announced (RFC 9113 section 8.1.1 allows it).
        if (!client.isClosed()) expectRefusal({ sections, resetCode })
        await expectNextServed(client.isClosed() ? await openFrameClient(proxyUrl) : client)
        expect(upstream.requests).toEqual([])
        for (const { state } of upstream.incompleteInput()) expect(state).toBe('incomplete')
      },
    )

    test.for(REMOVED_FIELDS)('receives a request without %s', async ([, name, value]) => {
      const { upstream, client } = await start()
      client.send(headersFrame(1, at('/orders', [name, value])))
      await client.response(1)
      await expectNextServed(client)
      const names = upstream.requests.map(({ line, fields }) => [
        line,
        ...fields.map((field) => field.slice(0, field.indexOf(':')).toLowerCase()),
      ])
      const free = new Set(['connection', 'content-length'])
      expect(names.map((all) => all.filter((text) => !free.has(text)).toSorted())).toEqual([
        ['GET /orders HTTP/1.1', 'authorization', 'host', 'via'],
      ])
      expect(upstream.incompleteInput()).toEqual([])
    })

    test('receives crumbs of a cookie that have semicolons as one field', async () => {
      const { upstream, client } = await start()
      const crumbs = ['cookie', 'a=1; b=2;', 'cookie', '; c=3', 'cookie', '$Version="1"; d=4']
      client.send(headersFrame(1, at('/orders', crumbs)))
      expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('200')
      const cookies = upstream.requests.flatMap(({ fields }) =>
        fields.filter((field) => /^cookie:/i.test(field)),
      )
      expect(cookies).toEqual(['cookie: a=1; b=2;; ; c=3; $Version="1"; d=4'])
    })

    test('receives the token instead of every Authorization of the client', async () => {
      const { upstream, client } = await start()
      const own = ['authorization', 'Bearer evil', 'authorization', '']
      client.send(headersFrame(1, at('/orders', own)))
      expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('200')
      const sent = upstream.requests.flatMap(({ fields }) =>
        fields.filter((field) => /^authorization:/i.test(field)),
      )
      expect(sent.map((field) => field.toLowerCase())).toEqual(['authorization: bearer token'])
    })

    async function start() {
      const upstream = await startUpstream({ response: OK_RESPONSE })
      const { url } = await startWithToken(upstream.origin, upstreamProtocol)
      return { upstream, client: await openFrameClient(url), proxyUrl: url }
    }
  },
)

type Client = Awaited<ReturnType<typeof openFrameClient>>

/** When a request on a later stream is served, all that was sent before it has been handled. */
async function expectNextServed(client: Client): Promise<void> {
  client.send(headersFrame(7, at(PROBE_TARGET)))
  expect(valueOf((await client.response(7)).sections[0], ':status')).toBe('200')
}

function expectRefusal(
  received: Pick<Awaited<ReturnType<Client['response']>>, 'sections' | 'resetCode'>,
) {
  expect(valueOf(received.sections[0], ':status') ?? received.resetCode).toBeOneOf([
    '400',
    '501',
    ERROR.PROTOCOL_ERROR,
  ])
}
