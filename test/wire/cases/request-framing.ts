import { chunk, chunked, head, lastChunk, lines, OK, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const LARGE = 'large '.repeat(50_000)
const EARLY_RESPONSE = lines(
  'HTTP/1.1 413 Content Too Large',
  'Connection: close',
  `Content-Length: ${LARGE.length}`,
  '',
  LARGE,
)

export const REQUEST_FRAMING: readonly WireCase[] = [
  {
    name: 'A request body keeps its Content-Length',
    rfc: '9112 6.2',
    clientSends: `${head('PUT /x HTTP/1.1', HOST, 'Content-Type: text/plain', 'Content-Length: 5')}hello`,
    upstreamReceives: [
      {
        line: 'PUT /x HTTP/1.1',
        fields: ['Content-Type: text/plain', 'Content-Length: 5'],
        body: 'hello',
        framing: 'length',
      },
    ],
    connection: 'persists',
  },
  {
    name: 'A request body with every octet is forwarded unchanged',
    rfc: '9110 6.4',
    clientSends: `${head('PUT /x HTTP/1.1', HOST, 'Content-Length: 256')}${allOctets()}`,
    upstreamReceives: [{ line: 'PUT /x HTTP/1.1', body: allOctets() }],
  },
  {
    name: 'A large request body with Content-Length is forwarded completely',
    rfc: '9112 6.2',
    clientSends: `${head('PUT /x HTTP/1.1', HOST, `Content-Length: ${LARGE.length}`)}${LARGE}`,
    upstreamReceives: [{ line: 'PUT /x HTTP/1.1', body: LARGE }],
    connection: 'persists',
  },
  {
    name: 'A chunked request body is forwarded chunked',
    rfc: '9112 7.1',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunked('hello', ' world')}`,
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'hello world', framing: 'chunked' }],
    connection: 'persists',
  },
  {
    name: 'Transfer-Encoding and its value are case-insensitive',
    rfc: '9112 7',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'TRANSFER-ENCODING:CHUNKED')}${chunked('hello')}`,
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'persists',
  },
  {
    name: 'A chunk size may have upper-case digits and leading zeros',
    rfc: '9112 7.1',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${lines('0000A', '0123456789', '000', '', '')}`,
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: '0123456789' }],
    connection: 'persists',
  },
  {
    name: 'An empty chunked request body is an empty body',
    rfc: '9112 7.1',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunked()}`,
    upstreamReceives: [{ line: 'POST /x HTTP/1.1' }],
    connection: 'persists',
  },
  {
    name: 'Chunk extensions of a request are removed',
    rfc: '9112 7.1.1',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${lines('5;a=b;c="d e"', 'hello', '0;last', '', '')}`,
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'persists',
  },
  {
    name: 'Trailer fields of a request are forwarded, except those that are not permitted in trailers',
    rfc: '9112 7.1.2',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked', 'Trailer: X-Sum')}${chunk('hello')}${lastChunk('X-Sum: abc', 'Authorization: Bearer evil', 'Host: evil')}`,
    upstreamReceives: [
      {
        line: 'POST /x HTTP/1.1',
        fields: ['Trailer: X-Sum'],
        body: 'hello',
        framing: 'chunked',
        trailers: ['X-Sum: abc'],
      },
    ],
    connection: 'persists',
  },
  ...['GET', 'DELETE', 'OPTIONS', 'PATCH'].flatMap((method): WireCase[] => [
    {
      name: `${method} with Content-Length is forwarded with its body`,
      rfc: '9110 9.3.1',
      clientSends: `${head(`${method} /x HTTP/1.1`, HOST, 'Content-Length: 5')}hello`,
      upstreamReceives: [{ line: `${method} /x HTTP/1.1`, body: 'hello' }],
      connection: 'persists',
    },
    {
      name: `${method} with a chunked body is forwarded with its body`,
      rfc: '9112 6.3',
      clientSends: `${head(`${method} /x HTTP/1.1`, HOST, 'Transfer-Encoding: chunked')}${chunked('hello')}`,
      upstreamReceives: [{ line: `${method} /x HTTP/1.1`, body: 'hello' }],
      connection: 'persists',
    },
  ]),
  ...['POST', 'PUT', 'PATCH'].map((method): WireCase => ({
    name: `A ${method} with Content-Length: 0 is forwarded with that field`,
    rfc: '9110 8.6',
    clientSends: head(`${method} /x HTTP/1.1`, HOST, 'Content-Length: 0'),
    upstreamReceives: [{ line: `${method} /x HTTP/1.1`, fields: ['Content-Length: 0'] }],
    connection: 'persists',
  })),
  {
    name: 'A GET with Content-Length: 0 has no body',
    rfc: '9110 8.6',
    clientSends: head('GET /x HTTP/1.1', HOST, 'Content-Length: 0'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'persists',
  },
  {
    name: 'A request without a body gets no framing',
    rfc: '9112 6.3',
    clientSends: head('GET /x HTTP/1.1', HOST),
    upstreamReceives: [
      {
        line: 'GET /x HTTP/1.1',
        framing: 'none',
        forbids: [/^(?:content-length|transfer-encoding):/i],
      },
    ],
    connection: 'persists',
  },
  {
    name: 'Content-Length may have leading zeros',
    rfc: '9110 8.6',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Content-Length: 005')}hello`,
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'persists',
  },
  {
    name: 'A request body that arrives in parts is one body',
    rfc: '9112 6.2',
    clientSends: [head('POST /x HTTP/1.1', HOST, 'Content-Length: 10'), 'hello', 'world'],
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'helloworld' }],
  },
  {
    name: 'A chunked request with trailer fields only has an empty body',
    rfc: '9112 7.1.2',
    clientSends:
      head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked') + lastChunk('X-Sum: abc'),
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', framing: 'chunked', trailers: ['X-Sum: abc'] }],
    connection: 'persists',
  },
  {
    name: 'A chunk, its size and its CRLF may arrive in parts',
    rfc: '9112 7.1',
    clientSends: [
      head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'),
      '1',
      '0\r',
      '\n01234567',
      '89abcdef\r',
      '\n0\r\n',
      '\r\n',
    ],
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: '0123456789abcdef' }],
    connection: 'persists',
  },
  {
    name: 'A request with an overflowing chunk size is rejected',
    rfc: '9112 7.1',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}fffffffffffffffff\r\nx`,
    upstreamReceives: 'no complete request',
    clientReceives: 'failure',
  },
  {
    name: 'A request with an overflowing Content-Length is rejected',
    rfc: '9110 8.6',
    clientSends: `${head('POST /x HTTP/1.1', HOST, 'Content-Length: 99999999999999999999')}x`,
    rejectedWith: [400],
  },
  {
    name: 'A request with an unknown transfer coding is rejected',
    rfc: '9112 6.1',
    clientSends:
      head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: br, chunked') + chunked('hello'),
    rejectedWith: [400, 501],
  },
  {
    name: 'A request whose final transfer coding is not chunked is rejected, and its connection closed',
    rfc: '9112 6.3',
    clientSends: head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: gzip'),
    rejectedWith: [400],
  },
  {
    name: 'A POST without framing is forwarded with Content-Length: 0',
    rfc: '9112 6.3',
    clientSends: head('POST /x HTTP/1.1', HOST),
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', fields: ['Content-Length: 0'] }],
    connection: 'persists',
  },
  {
    name: 'The response to HEAD has the Content-Length of a body, and no body',
    rfc: '9110 9.3.2',
    clientSends: head('HEAD /x HTTP/1.1', HOST),
    upstream: { response: head('HTTP/1.1 200 OK', 'Content-Length: 5') },
    upstreamReceives: [{ line: 'HEAD /x HTTP/1.1' }],
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: ['Content-Length: 5'] }],
    connection: 'persists',
  },
  ...expectations(),
  ...earlyResponses(),
]

function expectations(): WireCase[] {
  return [
    {
      name: 'A client with Expect: 100-continue gets a 100, and Expect is not forwarded',
      rfc: '9110 10.1.1',
      clientSends: [
        head('PUT /x HTTP/1.1', HOST, 'Expect: 100-continue', 'Content-Length: 5'),
        { until: /^HTTP\/1.1 100 .*\r\n\r\n/ },
        'hello',
      ],
      upstreamReceives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
      clientReceives: [{ line: 'HTTP/1.1 100 Continue' }, OK],
      connection: 'persists',
    },
    {
      name: 'Expect is case-insensitive, and works with a chunked body',
      rfc: '9110 10.1.1',
      clientSends: [
        head('PUT /x HTTP/1.1', HOST, 'expect: 100-Continue', 'Transfer-Encoding: chunked'),
        { until: /^HTTP\/1.1 100 .*\r\n\r\n/ },
        chunked('hello'),
      ],
      upstreamReceives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
      clientReceives: [{ line: 'HTTP/1.1 100 Continue' }, OK],
      connection: 'persists',
    },
    {
      name: 'A client with Expect: 100-continue may send its body without waiting',
      rfc: '9110 10.1.1',
      clientSends: `${head('PUT /x HTTP/1.1', HOST, 'Expect: 100-continue', 'Content-Length: 5')}hello`,
      upstreamReceives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
      clientReceives: [{ line: 'HTTP/1.1 100 Continue' }, OK],
    },
    {
      name: 'Expect in an HTTP/1.0 request is ignored',
      rfc: '9110 10.1.1',
      clientSends: `${head('PUT /x HTTP/1.0', HOST, 'Expect: 100-continue', 'Content-Length: 5')}hello`,
      upstreamReceives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
    },
    {
      name: 'An unknown expectation gets a 417',
      rfc: '9110 10.1.1',
      clientSends: head('GET /x HTTP/1.1', HOST, 'Expect: a-miracle'),
      rejectedWith: [417],
      connection: 'persists',
    },
    {
      name: 'A 417 of the upstream is forwarded after the 100',
      rfc: '9110 10.1.1',
      clientSends: [
        head('PUT /x HTTP/1.1', HOST, 'Expect: 100-continue', 'Content-Length: 5'),
        { until: /^HTTP\/1.1 100 .*\r\n\r\n/ },
        'he',
      ],
      upstream: {
        response: head('HTTP/1.1 417 Expectation Failed', 'Content-Length: 0'),
        respondsEarly: true,
      },
      upstreamReceives: 'no complete request',
      clientReceives: [
        { line: 'HTTP/1.1 100 Continue' },
        { line: 'HTTP/1.1 417 Expectation Failed' },
      ],
      connection: 'closes',
    },
  ]
}

function earlyResponses(): WireCase[] {
  const response = {
    line: 'HTTP/1.1 413 Content Too Large',
    body: LARGE,
    framing: 'length',
  } as const
  return [
    {
      name: 'An early response is forwarded completely, and closes the connection',
      rfc: '9112 9.6',
      clientSends: [head('PUT /x HTTP/1.1', HOST, 'Content-Length: 10000000'), 'x'.repeat(1000)],
      upstream: { response: EARLY_RESPONSE, respondsEarly: true, closes: true },
      upstreamReceives: 'no complete request',
      clientReceives: [response],
      connection: 'closes',
    },
    {
      name: 'An early response reaches a client that reads it only after sending more',
      rfc: '9112 9.6',
      clientSends: [
        `${head('PUT /x HTTP/1.1', HOST, 'Content-Length: 10000000')}begin`,
        { until: 'responded, unread' },
        'x'.repeat(500_000),
        'x'.repeat(500_000),
      ],
      upstream: { response: EARLY_RESPONSE, respondsEarly: true, closes: true },
      upstreamReceives: 'no complete request',
      clientReceives: [response],
      connection: 'closes',
    },
    {
      name: 'An early response reaches a client with a chunked upload',
      rfc: '9112 9.6',
      clientSends: [
        `${head('PUT /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunk('begin')}`,
        { until: 'responded, unread' },
        chunk('x'.repeat(500_000)),
        chunk('x'.repeat(500_000)),
      ],
      upstream: { response: EARLY_RESPONSE, respondsEarly: true, closes: true },
      upstreamReceives: 'no complete request',
      clientReceives: [response],
      connection: 'closes',
    },
    {
      name: 'An early response is forwarded if the upstream keeps its connection open',
      rfc: '9112 9.6',
      clientSends: [
        `${head('PUT /x HTTP/1.1', HOST, 'Content-Length: 10000000')}begin`,
        { until: 'responded, unread' },
        'x'.repeat(500_000),
      ],
      upstream: {
        response: lines('HTTP/1.1 403 Forbidden', 'Content-Length: 2', '', 'no'),
        respondsEarly: true,
      },
      upstreamReceives: 'no complete request',
      clientReceives: [{ line: 'HTTP/1.1 403 Forbidden', body: 'no' }],
      connection: 'closes',
    },
  ]
}

function allOctets(): string {
  return String.fromCodePoint(...Array.from({ length: 256 }, (_, i) => i))
}
