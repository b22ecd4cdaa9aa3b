import { chunk, chunked, head, lastChunk, lines, OK, type WireCase } from '../wire-case.ts'

const GET = head('GET /x HTTP/1.1', 'Host: localhost')
const HEAD = head('HEAD /x HTTP/1.1', 'Host: localhost')
const ARRIVES = [{ line: 'GET /x HTTP/1.1' }] as const
const TINY = Array.from({ length: 3_000 }, (_, i) => String(i % 10))
const LARGE = 'large '.repeat(200_000)

type Answered = Pick<WireCase, 'upstream'> & {
  readonly comesBack: readonly Message[]
  readonly connection?: 'stays' | 'closes'
}

/** Bytes behind a response, which look like another one. */
const EXTRA = lines('HTTP/1.1 200 OK', 'Content-Length: 4', '', 'evil')
type Message = typeof OK

const toGet = (name: string, rfc: string, answered: Answered): WireCase => ({
  name,
  rfc,
  sends: GET,
  arrives: ARRIVES,
  connection: 'stays',
  ...answered,
})

export const RESPONSE_FRAMING: readonly WireCase[] = [
  toGet('A body of known length keeps its length', '9112 6.2', {
    upstream: { answers: lines('HTTP/1.1 200 OK', 'Content-Length: 5', '', 'hello') },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'length' }],
  }),
  toGet('A body of nothing has the length of nothing', '9112 6.2', {
    upstream: { answers: head('HTTP/1.1 200 OK', 'Content-Length: 0') },
    comesBack: [{ line: 'HTTP/1.1 200 OK', framing: 'length' }],
  }),
  toGet('A large body comes back whole', '9112 6.2', {
    upstream: { answers: lines('HTTP/1.1 200 OK', `Content-Length: ${LARGE.length}`, '', LARGE) },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: LARGE }],
  }),
  toGet('A chunked body stays chunked', '9112 7.1', {
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('hello', ' world')}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello world', framing: 'chunked' }],
  }),
  toGet('Chunk extensions end here', '9112 7.1.1', {
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${lines('5;a="b"', 'hello', '0', '', '')}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello' }],
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
        answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${lines(size, 'hello', '0 ; last', '', '')}`,
      },
      comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello' }],
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
    toGet(`The transfer codings ${JSON.stringify(codings)} are chunked alone`, '9112 6.1', {
      upstream: {
        answers: `${head('HTTP/1.1 200 OK', `Transfer-Encoding: ${codings}`)}${chunked('hello')}`,
      },
      comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'chunked' }],
    }),
  ),
  toGet('A list of transfer codings may have empty lines', '9110 5.6.1', {
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding:', 'Transfer-Encoding: chunked', 'Transfer-Encoding: ,')}${chunked('hello')}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'chunked' }],
  }),
  toGet('Chunk sizes may be in either case and have leading zeros', '9112 7.1', {
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${lines('000000000A', '0123456789', 'a', 'abcdefghij', '0000', '', '')}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: '0123456789abcdefghij' }],
  }),
  toGet('Many tiny chunks come back as the same content', '9112 7.1', {
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked(...TINY)}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: TINY.join(''), framing: 'chunked' }],
  }),
  toGet('A 204 has no Content-Length', '9110 8.6', {
    upstream: { answers: head('HTTP/1.1 204 No Content', 'Content-Length: 0', 'X-Kept: 1') },
    comesBack: [
      { line: 'HTTP/1.1 204 No Content', fields: ['X-Kept: 1'], lacks: [/^content-length:/i] },
    ],
  }),
  toGet('A 204 has no Transfer-Encoding', '9112 6.1', {
    upstream: { answers: head('HTTP/1.1 204 No Content', 'Transfer-Encoding: chunked') },
    comesBack: [{ line: 'HTTP/1.1 204 No Content', lacks: [/^transfer-encoding:/i] }],
  }),
  ...['GET', 'HEAD'].flatMap((method) =>
    [
      ['a body of known length', lines('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok'), 'GET'],
      [
        'a chunked body',
        `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
        'GET',
      ],
      ['a 204', head('HTTP/1.1 204 No Content'), 'GET'],
      ['a 204 with a length', head('HTTP/1.1 204 No Content', 'Content-Length: 9'), 'GET'],
      ['a 304', head('HTTP/1.1 304 Not Modified'), 'GET'],
      ['the response to HEAD', head('HTTP/1.1 200 OK', 'Content-Length: 45'), 'HEAD'],
      ['a HEAD in chunks', head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), 'HEAD'],
    ]
      .filter(([, , asked]) => asked === method)
      .map(([what = '', answer = '']): WireCase => {
        const [line = ''] = answer.split('\r\n')
        const message =
          method === 'HEAD'
            ? { line, fields: answer.includes('Content-Length') ? ['Content-Length: 45'] : [] }
            : { line, body: line.endsWith('OK') ? 'ok' : '' }
        return {
          name: `What the upstream sends behind ${what} is no response`,
          rfc: '9112 9.2',
          sends: [
            head(`${method} /1 HTTP/1.1`, 'Host: localhost'),
            { until: /^HTTP[^]*\r\n\r\n/ },
            head(`${method} /2 HTTP/1.1`, 'Host: localhost'),
          ],
          arrives: [{ line: `${method} /1 HTTP/1.1` }, { line: `${method} /2 HTTP/1.1` }],
          upstream: { answers: { '/1': `${answer}${EXTRA}`, '/2': answer } },
          comesBack: [message, message],
          upstreamConnections: 2,
          connection: 'stays',
        }
      }),
  ),
  toGet('Trailers come back behind the body', '9110 6.5.1', {
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Trailer: X-Sum')}${chunk('hello')}${lastChunk('X-Sum: abc', 'x-other: 2')}`,
    },
    comesBack: [
      {
        line: 'HTTP/1.1 200 OK',
        fields: ['Trailer: X-Sum'],
        body: 'hello',
        trailers: ['X-Sum: abc', 'x-other: 2'],
      },
    ],
  }),
  toGet('Trailers that would change the message do not', '9110 6.5.1', {
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunk('hello')}${lastChunk('Set-Cookie: a=1', 'X-Sum: abc', 'Host: a', 'Content-Length: 3')}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello', trailers: ['X-Sum: abc'] }],
  }),
  toGet('A body that ends with the connection comes back framed', '9112 6.3', {
    upstream: { answers: 'HTTP/1.1 200 OK\r\n\r\nuntil the end', closes: true },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'until the end', framing: 'chunked' }],
  }),
  toGet('A body of nothing that ends with the connection is a body', '9112 6.3', {
    upstream: { answers: 'HTTP/1.1 200 OK\r\n\r\n', closes: true },
    comesBack: [{ line: 'HTTP/1.1 200 OK' }],
  }),
  toGet('An upstream of HTTP/1.0 is answered for in HTTP/1.1', '9110 2.5', {
    upstream: { answers: 'HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end', closes: true },
    comesBack: [{ line: 'HTTP/1.1 200 OK', fields: ['Server: old'], body: 'until the end' }],
  }),
  toGet('Via tells the version in which the upstream has answered', '9110 7.6.3', {
    upstream: { answers: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', closes: true },
    comesBack: [{ ...OK, via: ['1.0 PROXY'] }],
  }),
  toGet('An upstream of HTTP/1.0 may give a length', '9110 2.5', {
    upstream: { answers: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', closes: true },
    comesBack: [OK],
  }),
  toGet('A minor version that nobody knows is read as the highest that is known', '9110 2.5', {
    upstream: { answers: 'HTTP/1.7 200 OK\r\nContent-Length: 2\r\n\r\nok' },
    comesBack: [OK],
  }),
  ...['204 No Content', '304 Not Modified'].map((status) =>
    toGet(`${status} has no body`, '9112 6.3', {
      upstream: { answers: head(`HTTP/1.1 ${status}`, 'ETag: "1"') },
      comesBack: [{ line: `HTTP/1.1 ${status}`, fields: ['ETag: "1"'] }],
    }),
  ),
  toGet('304 may tell the length of what it does not send', '9110 15.4.5', {
    upstream: { answers: head('HTTP/1.1 304 Not Modified', 'Content-Length: 500') },
    comesBack: [{ line: 'HTTP/1.1 304 Not Modified', fields: ['Content-Length: 500'] }],
  }),
  toGet('304 with Transfer-Encoding has no body either', '9112 6.1', {
    upstream: { answers: head('HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked') },
    comesBack: [{ line: 'HTTP/1.1 304 Not Modified' }],
  }),
  toGet('205 comes back without content', '9110 15.3.6', {
    upstream: { answers: head('HTTP/1.1 205 Reset Content', 'Content-Length: 0') },
    comesBack: [{ line: 'HTTP/1.1 205 Reset Content' }],
  }),
  {
    name: 'The answer to HEAD keeps the length of what GET would get',
    rfc: '9110 9.3.2',
    sends: HEAD,
    arrives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { answers: head('HTTP/1.1 200 OK', 'ETag: "1"', 'Content-Length: 500') },
    comesBack: [{ line: 'HTTP/1.1 200 OK', fields: ['ETag: "1"', 'Content-Length: 500'] }],
    connection: 'stays',
  },
  {
    name: 'The answer to HEAD may say that GET would get chunks',
    rfc: '9112 6.1',
    sends: HEAD,
    arrives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { answers: head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked') },
    comesBack: [{ line: 'HTTP/1.1 200 OK' }],
    connection: 'stays',
  },
  {
    name: 'The answer to HEAD may say nothing of a body',
    rfc: '9110 9.3.2',
    sends: HEAD,
    arrives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { answers: head('HTTP/1.1 200 OK', 'X-Kept: 1') },
    comesBack: [{ line: 'HTTP/1.1 200 OK', fields: ['X-Kept: 1'] }],
    connection: 'stays',
  },
  {
    name: 'The answer to HEAD with 404 has no body',
    rfc: '9110 9.3.2',
    sends: HEAD,
    arrives: [{ line: 'HEAD /x HTTP/1.1' }],
    upstream: { answers: head('HTTP/1.1 404 Not Found', 'Content-Length: 9') },
    comesBack: [{ line: 'HTTP/1.1 404 Not Found', fields: ['Content-Length: 9'] }],
    connection: 'stays',
  },
  {
    name: 'What the upstream sends behind a body of known length belongs to nobody',
    rfc: '9112 9.2',
    sends: GET,
    arrives: ARRIVES,
    upstream: {
      answers: `${lines('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok')}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
    },
    comesBack: [OK],
    connection: 'stays',
  },
]
