import { chunk, chunked, head, lastChunk, lines, OK, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const LARGE = 'large '.repeat(50_000)
const EARLY_ANSWER = lines(
  'HTTP/1.1 413 Content Too Large',
  'Connection: close',
  `Content-Length: ${LARGE.length}`,
  '',
  LARGE,
)

export const REQUEST_FRAMING: readonly WireCase[] = [
  {
    name: 'A body of known length keeps its length',
    rfc: '9112 6.2',
    sends: `${head('PUT /x HTTP/1.1', HOST, 'Content-Type: text/plain', 'Content-Length: 5')}hello`,
    arrives: [
      {
        line: 'PUT /x HTTP/1.1',
        fields: ['Content-Type: text/plain', 'Content-Length: 5'],
        body: 'hello',
        framing: 'length',
      },
    ],
    connection: 'stays',
  },
  {
    name: 'A body of all bytes arrives to the byte',
    rfc: '9110 6.4',
    sends: `${head('PUT /x HTTP/1.1', HOST, 'Content-Length: 256')}${allBytes()}`,
    arrives: [{ line: 'PUT /x HTTP/1.1', body: allBytes() }],
  },
  {
    name: 'A large body of known length arrives whole',
    rfc: '9112 6.2',
    sends: `${head('PUT /x HTTP/1.1', HOST, `Content-Length: ${LARGE.length}`)}${LARGE}`,
    arrives: [{ line: 'PUT /x HTTP/1.1', body: LARGE }],
    connection: 'stays',
  },
  {
    name: 'A chunked body stays chunked',
    rfc: '9112 7.1',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunked('hello', ' world')}`,
    arrives: [{ line: 'POST /x HTTP/1.1', body: 'hello world', framing: 'chunked' }],
    connection: 'stays',
  },
  {
    name: 'The name of the coding may be in any case',
    rfc: '9112 7',
    sends: `${head('POST /x HTTP/1.1', HOST, 'TRANSFER-ENCODING:CHUNKED')}${chunked('hello')}`,
    arrives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'stays',
  },
  {
    name: 'Sizes of chunks may be in capitals and begin with zeros',
    rfc: '9112 7.1',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${lines('0000A', '0123456789', '000', '', '')}`,
    arrives: [{ line: 'POST /x HTTP/1.1', body: '0123456789' }],
    connection: 'stays',
  },
  {
    name: 'A chunked body of nothing is a body of nothing',
    rfc: '9112 7.1',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunked()}`,
    arrives: [{ line: 'POST /x HTTP/1.1' }],
    connection: 'stays',
  },
  {
    name: 'Chunk extensions end here',
    rfc: '9112 7.1.1',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${lines('5;a=b;c="d e"', 'hello', '0;last', '', '')}`,
    arrives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'stays',
  },
  {
    name: 'Trailer fields of a request are forwarded, and those that are not allowed there are dropped',
    rfc: '9112 7.1.2',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked', 'Trailer: X-Sum')}${chunk('hello')}${lastChunk('X-Sum: abc', 'Authorization: Bearer evil', 'Host: evil')}`,
    arrives: [
      {
        line: 'POST /x HTTP/1.1',
        fields: ['Trailer: X-Sum'],
        body: 'hello',
        framing: 'chunked',
        trailers: ['X-Sum: abc'],
      },
    ],
    connection: 'stays',
  },
  ...['GET', 'DELETE', 'OPTIONS', 'PATCH'].flatMap((method): WireCase[] => [
    {
      name: `${method} may have a body of known length`,
      rfc: '9110 9.3.1',
      sends: `${head(`${method} /x HTTP/1.1`, HOST, 'Content-Length: 5')}hello`,
      arrives: [{ line: `${method} /x HTTP/1.1`, body: 'hello' }],
      connection: 'stays',
    },
    {
      name: `${method} may have a chunked body`,
      rfc: '9112 6.3',
      sends: `${head(`${method} /x HTTP/1.1`, HOST, 'Transfer-Encoding: chunked')}${chunked('hello')}`,
      arrives: [{ line: `${method} /x HTTP/1.1`, body: 'hello' }],
      connection: 'stays',
    },
  ]),
  ...['POST', 'PUT', 'PATCH'].map((method): WireCase => ({
    name: `A ${method} of nothing says so`,
    rfc: '9110 8.6',
    sends: head(`${method} /x HTTP/1.1`, HOST, 'Content-Length: 0'),
    arrives: [{ line: `${method} /x HTTP/1.1`, fields: ['Content-Length: 0'] }],
    connection: 'stays',
  })),
  {
    name: 'A GET of nothing has no body, whether it says so or not',
    rfc: '9110 8.6',
    sends: head('GET /x HTTP/1.1', HOST, 'Content-Length: 0'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'stays',
  },
  {
    name: 'A request without a body gets no framing',
    rfc: '9112 6.3',
    sends: head('GET /x HTTP/1.1', HOST),
    arrives: [
      {
        line: 'GET /x HTTP/1.1',
        framing: 'none',
        lacks: [/^(?:content-length|transfer-encoding):/i],
      },
    ],
    connection: 'stays',
  },
  {
    name: 'A length with zeros before it is that length',
    rfc: '9110 8.6',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Content-Length: 005')}hello`,
    arrives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'stays',
  },
  {
    name: 'A body that arrives in pieces is one body',
    rfc: '9112 6.2',
    sends: [head('POST /x HTTP/1.1', HOST, 'Content-Length: 10'), 'hello', 'world'],
    arrives: [{ line: 'POST /x HTTP/1.1', body: 'helloworld' }],
  },
  {
    name: 'A chunked request with trailer fields only has an empty body',
    rfc: '9112 7.1.2',
    sends: head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked') + lastChunk('X-Sum: abc'),
    arrives: [{ line: 'POST /x HTTP/1.1', framing: 'chunked', trailers: ['X-Sum: abc'] }],
    connection: 'stays',
  },
  {
    name: 'A chunk may come in pieces, its size and its end too',
    rfc: '9112 7.1',
    sends: [
      head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked'),
      '1',
      '0\r',
      '\n01234567',
      '89abcdef\r',
      '\n0\r\n',
      '\r\n',
    ],
    arrives: [{ line: 'POST /x HTTP/1.1', body: '0123456789abcdef' }],
    connection: 'stays',
  },
  {
    name: 'A chunk size that no number can hold is refused',
    rfc: '9112 7.1',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}fffffffffffffffff\r\nx`,
    arrives: 'no whole request',
    comesBack: 'failure',
  },
  {
    name: 'A length that no number can hold is refused',
    rfc: '9110 8.6',
    sends: `${head('POST /x HTTP/1.1', HOST, 'Content-Length: 99999999999999999999')}x`,
    refused: [400],
  },
  {
    name: 'An unknown transfer coding is refused',
    rfc: '9112 6.1',
    sends: head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: br, chunked') + chunked('hello'),
    refused: [400, 501],
  },
  {
    name: 'A request whose last coding is not chunked is refused, and the connection ends',
    rfc: '9112 6.3',
    sends: head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: gzip'),
    refused: [400],
  },
  {
    name: 'A POST without any framing has a body of nothing',
    rfc: '9112 6.3',
    sends: head('POST /x HTTP/1.1', HOST),
    arrives: [{ line: 'POST /x HTTP/1.1', fields: ['Content-Length: 0'] }],
    connection: 'stays',
  },
  {
    name: 'A HEAD gets the length of a body, and no body',
    rfc: '9110 9.3.2',
    sends: head('HEAD /x HTTP/1.1', HOST),
    upstream: { answers: head('HTTP/1.1 200 OK', 'Content-Length: 5') },
    arrives: [{ line: 'HEAD /x HTTP/1.1' }],
    comesBack: [{ line: 'HTTP/1.1 200 OK', fields: ['Content-Length: 5'] }],
    connection: 'stays',
  },
  ...expectations(),
  ...earlyAnswers(),
]

function expectations(): WireCase[] {
  return [
    {
      name: 'A client that waits for 100 gets it, and the upstream sees no Expect',
      rfc: '9110 10.1.1',
      sends: [
        head('PUT /x HTTP/1.1', HOST, 'Expect: 100-continue', 'Content-Length: 5'),
        { until: /^HTTP\/1.1 100 .*\r\n\r\n/ },
        'hello',
      ],
      arrives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
      comesBack: [{ line: 'HTTP/1.1 100 Continue' }, OK],
      connection: 'stays',
    },
    {
      name: 'The expectation may be in any case, and the body in chunks',
      rfc: '9110 10.1.1',
      sends: [
        head('PUT /x HTTP/1.1', HOST, 'expect: 100-Continue', 'Transfer-Encoding: chunked'),
        { until: /^HTTP\/1.1 100 .*\r\n\r\n/ },
        chunked('hello'),
      ],
      arrives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
      comesBack: [{ line: 'HTTP/1.1 100 Continue' }, OK],
      connection: 'stays',
    },
    {
      name: 'A client that expects a 100 may go on without it',
      rfc: '9110 10.1.1',
      sends: `${head('PUT /x HTTP/1.1', HOST, 'Expect: 100-continue', 'Content-Length: 5')}hello`,
      arrives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
      comesBack: [{ line: 'HTTP/1.1 100 Continue' }, OK],
    },
    {
      name: 'An expectation of HTTP/1.0 is overlooked',
      rfc: '9110 10.1.1',
      sends: `${head('PUT /x HTTP/1.0', HOST, 'Expect: 100-continue', 'Content-Length: 5')}hello`,
      arrives: [{ line: 'PUT /x HTTP/1.1', body: 'hello' }],
    },
    {
      name: 'Any other expectation fails',
      rfc: '9110 10.1.1',
      sends: head('GET /x HTTP/1.1', HOST, 'Expect: a-miracle'),
      refused: [417],
      connection: 'stays',
    },
    {
      name: 'A refusal of the upstream comes behind the 100',
      rfc: '9110 10.1.1',
      sends: [
        head('PUT /x HTTP/1.1', HOST, 'Expect: 100-continue', 'Content-Length: 5'),
        { until: /^HTTP\/1.1 100 .*\r\n\r\n/ },
        'he',
      ],
      upstream: {
        answers: head('HTTP/1.1 417 Expectation Failed', 'Content-Length: 0'),
        isEarly: true,
      },
      arrives: 'no whole request',
      comesBack: [{ line: 'HTTP/1.1 100 Continue' }, { line: 'HTTP/1.1 417 Expectation Failed' }],
      connection: 'closes',
    },
  ]
}

function earlyAnswers(): WireCase[] {
  const answer = {
    line: 'HTTP/1.1 413 Content Too Large',
    body: LARGE,
    framing: 'length',
  } as const
  return [
    {
      name: 'An answer before the end of an upload comes back whole, and ends the connection',
      rfc: '9112 9.6',
      sends: [head('PUT /x HTTP/1.1', HOST, 'Content-Length: 10000000'), 'x'.repeat(1000)],
      upstream: { answers: EARLY_ANSWER, isEarly: true, closes: true },
      arrives: 'no whole request',
      comesBack: [answer],
      connection: 'closes',
    },
    {
      name: 'Also to a client that goes on sending before it reads',
      rfc: '9112 9.6',
      sends: [
        `${head('PUT /x HTTP/1.1', HOST, 'Content-Length: 10000000')}begin`,
        { until: 'answered, unread' },
        'x'.repeat(500_000),
        'x'.repeat(500_000),
      ],
      upstream: { answers: EARLY_ANSWER, isEarly: true, closes: true },
      arrives: 'no whole request',
      comesBack: [answer],
      connection: 'closes',
    },
    {
      name: 'Also where the upload is chunked',
      rfc: '9112 9.6',
      sends: [
        `${head('PUT /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunk('begin')}`,
        { until: 'answered, unread' },
        chunk('x'.repeat(500_000)),
        chunk('x'.repeat(500_000)),
      ],
      upstream: { answers: EARLY_ANSWER, isEarly: true, closes: true },
      arrives: 'no whole request',
      comesBack: [answer],
      connection: 'closes',
    },
    {
      name: 'Also where the upstream keeps its connection open',
      rfc: '9112 9.6',
      sends: [
        `${head('PUT /x HTTP/1.1', HOST, 'Content-Length: 10000000')}begin`,
        { until: 'answered, unread' },
        'x'.repeat(500_000),
      ],
      upstream: {
        answers: lines('HTTP/1.1 403 Forbidden', 'Content-Length: 2', '', 'no'),
        isEarly: true,
      },
      arrives: 'no whole request',
      comesBack: [{ line: 'HTTP/1.1 403 Forbidden', body: 'no' }],
      connection: 'closes',
    },
  ]
}

function allBytes(): string {
  return String.fromCodePoint(...Array.from({ length: 256 }, (_, i) => i))
}
