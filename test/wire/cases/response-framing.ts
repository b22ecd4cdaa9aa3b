import { chunk, chunked, head, lastChunk, lines, OK, type WireCase } from '../wire-case.ts'

const GET = head('GET /x HTTP/1.1', 'Host: localhost')
const HEAD = head('HEAD /x HTTP/1.1', 'Host: localhost')
const RECEIVED = [{ line: 'GET /x HTTP/1.1' }] as const
const TINY = Array.from({ length: 3_000 }, (_, i) => String(i % 10))
const LARGE = 'large '.repeat(200_000)

type Expected = Pick<WireCase, 'upstream'> & {
  readonly clientReceives: readonly Message[]
  readonly connection?: 'persists' | 'closes'
}

/** Unsolicited data after a response that looks like another response. */
const EXTRA = lines('HTTP/1.1 200 OK', 'Content-Length: 4', '', 'evil')
type Message = typeof OK

const toGet = (name: string, rfc: string, expected: Expected): WireCase => ({
  name,
  rfc,
  clientSends: GET,
  upstreamReceives: RECEIVED,
  connection: 'persists',
  ...expected,
})

export const RESPONSE_FRAMING: readonly WireCase[] = [
  toGet('A response body keeps its Content-Length', '9112 6.2', {
    upstream: { response: lines('HTTP/1.1 200 OK', 'Content-Length: 5', '', 'hello') },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'length' }],
  }),
  toGet('An empty response body has Content-Length: 0', '9112 6.2', {
    upstream: { response: head('HTTP/1.1 200 OK', 'Content-Length: 0') },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', framing: 'length' }],
  }),
  toGet('A large response body is forwarded completely', '9112 6.2', {
    upstream: { response: lines('HTTP/1.1 200 OK', `Content-Length: ${LARGE.length}`, '', LARGE) },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: LARGE }],
  }),
  toGet('A chunked response body is forwarded chunked', '9112 7.1', {
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('hello', ' world')}`,
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello world', framing: 'chunked' }],
  }),
  toGet('Chunk extensions of a response are removed', '9112 7.1.1', {
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${lines('5;a="b"', 'hello', '0', '', '')}`,
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello' }],
  }),
  ...[
    '5 ;a=b',
    '5; a=b',
    '5\t;\ta',
    '5;a =b',
    '5;a= b',
    '5 ; a = b',
    '5 \t ;a',
    '5;a ; b',
    '5;a="b;c" ; d = "e"',
    '5;a="\\""',
    '005;a',
  ].map((size) =>
    toGet(`A chunk extension may have whitespace: ${JSON.stringify(size)}`, '9112 7.1.1', {
      upstream: {
        response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${lines(size, 'hello', '0 ; last', '', '')}`,
      },
      clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello' }],
    }),
  ),
  ...[
    'chunked',
    'Chunked',
    'CHUNKED',
    'chunked,',
    ',chunked',
    ' , chunked , ,',
    '\tchunked\t',
    ',\t,chunked',
  ].map((codings) =>
    toGet(`Transfer-Encoding: ${JSON.stringify(codings)} is chunked`, '9112 6.1', {
      upstream: {
        response: `${head('HTTP/1.1 200 OK', `Transfer-Encoding: ${codings}`)}${chunked('hello')}`,
      },
      clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'chunked' }],
    }),
  ),
  toGet('Transfer-Encoding may have empty field lines and members', '9110 5.6.1', {
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding:', 'Transfer-Encoding: chunked', 'Transfer-Encoding: ,')}${chunked('hello')}`,
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'chunked' }],
  }),
  toGet('A chunk size of a response may have digits in either case and leading zeros', '9112 7.1', {
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${lines('000000000A', '0123456789', 'a', 'abcdefghij', '0000', '', '')}`,
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: '0123456789abcdefghij' }],
  }),
  toGet('Many small chunks are forwarded as the same content', '9112 7.1', {
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked(...TINY)}`,
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: TINY.join(''), framing: 'chunked' }],
  }),
  toGet('Content-Length is removed from a 204', '9110 8.6', {
    upstream: { response: head('HTTP/1.1 204 No Content', 'Content-Length: 0', 'X-Kept: 1') },
    clientReceives: [
      { line: 'HTTP/1.1 204 No Content', fields: ['X-Kept: 1'], forbids: [/^content-length:/i] },
    ],
  }),
  toGet('Transfer-Encoding is removed from a 204', '9112 6.1', {
    upstream: { response: head('HTTP/1.1 204 No Content', 'Transfer-Encoding: chunked') },
    clientReceives: [{ line: 'HTTP/1.1 204 No Content', forbids: [/^transfer-encoding:/i] }],
  }),
  ...['GET', 'HEAD'].flatMap((method) =>
    [
      [
        'a body with Content-Length',
        lines('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok'),
        'GET',
      ],
      [
        'a chunked body',
        `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
        'GET',
      ],
      ['a 204', head('HTTP/1.1 204 No Content'), 'GET'],
      ['a 204 with Content-Length', head('HTTP/1.1 204 No Content', 'Content-Length: 9'), 'GET'],
      ['a 304', head('HTTP/1.1 304 Not Modified'), 'GET'],
      ['the response to HEAD', head('HTTP/1.1 200 OK', 'Content-Length: 45'), 'HEAD'],
      [
        'the chunked response to HEAD',
        head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
        'HEAD',
      ],
    ]
      .filter(([, , expectedMethod]) => expectedMethod === method)
      .map(([what = '', response = '']): WireCase => {
        const [line = ''] = response.split('\r\n')
        const message =
          method === 'HEAD'
            ? { line, fields: response.includes('Content-Length') ? ['Content-Length: 45'] : [] }
            : { line, body: line.endsWith('OK') ? 'ok' : '' }
        return {
          name: `Unsolicited data after ${what} is not used as a response`,
          rfc: '9112 9.2',
          clientSends: [
            head(`${method} /1 HTTP/1.1`, 'Host: localhost'),
            { until: /^HTTP[^]*\r\n\r\n/ },
            head(`${method} /2 HTTP/1.1`, 'Host: localhost'),
          ],
          upstreamReceives: [{ line: `${method} /1 HTTP/1.1` }, { line: `${method} /2 HTTP/1.1` }],
          upstream: { response: { '/1': `${response}${EXTRA}`, '/2': response } },
          clientReceives: [message, message],
          upstreamConnections: 2,
          connection: 'persists',
        }
      }),
  ),
  toGet('Trailer fields of a response are forwarded', '9110 6.5.1', {
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: X-Sum')}${chunk('hello')}${lastChunk('X-Sum: abc', 'x-other: 2')}`,
    },
    clientReceives: [
      {
        line: 'HTTP/1.1 200 OK',
        fields: ['Trailer: X-Sum'],
        body: 'hello',
        trailers: ['X-Sum: abc', 'x-other: 2'],
      },
    ],
  }),
  toGet(
    'Trailer fields that are not permitted in trailers are removed from a response',
    '9110 6.5.1',
    {
      upstream: {
        response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunk('hello')}${lastChunk('Set-Cookie: a=1', 'X-Sum: abc', 'Host: a', 'Content-Length: 3')}`,
      },
      clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello', trailers: ['X-Sum: abc'] }],
    },
  ),
  toGet('A close-delimited response is forwarded chunked', '9112 6.3', {
    upstream: { response: 'HTTP/1.1 200 OK\r\n\r\nuntil the end', closes: true },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'until the end', framing: 'chunked' }],
  }),
  toGet('An empty close-delimited response is forwarded', '9112 6.3', {
    upstream: { response: 'HTTP/1.1 200 OK\r\n\r\n', closes: true },
    clientReceives: [{ line: 'HTTP/1.1 200 OK' }],
  }),
  toGet('An HTTP/1.0 response is forwarded as HTTP/1.1', '9110 2.5', {
    upstream: { response: 'HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end', closes: true },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: ['Server: old'], body: 'until the end' }],
  }),
  toGet('Via of a response has the received protocol version', '9110 7.6.3', {
    upstream: { response: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', closes: true },
    clientReceives: [{ ...OK, via: ['1.0 PROXY'] }],
  }),
  toGet('An HTTP/1.0 response may have Content-Length', '9110 2.5', {
    upstream: { response: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', closes: true },
    clientReceives: [OK],
  }),
  toGet('An unknown minor version is treated as the highest known one', '9110 2.5', {
    upstream: { response: 'HTTP/1.7 200 OK\r\nContent-Length: 2\r\n\r\nok' },
    clientReceives: [OK],
  }),
  ...['204 No Content', '304 Not Modified'].map((status) =>
    toGet(`${status} has no body`, '9112 6.3', {
      upstream: { response: head(`HTTP/1.1 ${status}`, 'ETag: "1"') },
      clientReceives: [{ line: `HTTP/1.1 ${status}`, fields: ['ETag: "1"'] }],
    }),
  ),
  toGet('Content-Length of a 304 is forwarded', '9110 15.4.5', {
    upstream: { response: head('HTTP/1.1 304 Not Modified', 'Content-Length: 500') },
    clientReceives: [{ line: 'HTTP/1.1 304 Not Modified', fields: ['Content-Length: 500'] }],
  }),
  toGet('A 304 with Transfer-Encoding has no body', '9112 6.1', {
    upstream: { response: head('HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked') },
    clientReceives: [{ line: 'HTTP/1.1 304 Not Modified' }],
  }),
  toGet('A 205 is forwarded without content', '9110 15.3.6', {
    upstream: { response: head('HTTP/1.1 205 Reset Content', 'Content-Length: 0') },
    clientReceives: [{ line: 'HTTP/1.1 205 Reset Content' }],
  }),
  {
    name: 'The response to HEAD keeps its Content-Length',
    rfc: '9110 9.3.2',
    clientSends: HEAD,
    upstreamReceives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { response: head('HTTP/1.1 200 OK', 'ETag: "1"', 'Content-Length: 500') },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: ['ETag: "1"', 'Content-Length: 500'] }],
    connection: 'persists',
  },
  {
    name: 'The response to HEAD may have Transfer-Encoding',
    rfc: '9112 6.1',
    clientSends: HEAD,
    upstreamReceives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { response: head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') },
    clientReceives: [{ line: 'HTTP/1.1 200 OK' }],
    connection: 'persists',
  },
  {
    name: 'The response to HEAD may have no framing',
    rfc: '9110 9.3.2',
    clientSends: HEAD,
    upstreamReceives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { response: head('HTTP/1.1 200 OK', 'X-Kept: 1') },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: ['X-Kept: 1'] }],
    connection: 'persists',
  },
  {
    name: 'A 404 to HEAD has no body',
    rfc: '9110 9.3.2',
    clientSends: HEAD,
    upstreamReceives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { response: head('HTTP/1.1 404 Not Found', 'Content-Length: 9') },
    clientReceives: [{ line: 'HTTP/1.1 404 Not Found', fields: ['Content-Length: 9'] }],
    connection: 'persists',
  },
  {
    name: 'Unsolicited data after a response with Content-Length is discarded',
    rfc: '9112 9.2',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: `${lines('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok')}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
    },
    clientReceives: [OK],
    connection: 'persists',
  },
]
