import { chunk, chunked, head, lastChunk, lines, OK, type WireCase } from '../wire-case.ts'

const GET = head('GET /x HTTP/1.1', 'Host: localhost')
const HEAD = head('HEAD /x HTTP/1.1', 'Host: localhost')
const ARRIVES = [{ line: 'GET /x HTTP/1.1' }] as const
const LARGE = 'large '.repeat(200_000)

type Answered = Pick<WireCase, 'upstream'> & {
  readonly comesBack: readonly Message[]
  readonly connection?: 'stays' | 'closes'
}
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
