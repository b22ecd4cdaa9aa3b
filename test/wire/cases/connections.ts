import { chunked, head, lines, OK, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const answer = (body: string): string =>
  lines('HTTP/1.1 200 OK', `Content-Length: ${body.length}`, '', body)

export const CONNECTIONS: readonly WireCase[] = [
  {
    name: 'A connection of HTTP/1.1 stays',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.1', HOST),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'stays',
  },
  ...['close', 'Close', 'keep-alive, close', 'x, CLOSE'].map((option): WireCase => ({
    name: `It ends where the client says so: ${option}`,
    rfc: '9112 9.6',
    sends: head('GET /x HTTP/1.1', HOST, `Connection: ${option}`),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    comesBack: [{ ...OK, fields: ['Connection: close'] }],
    connection: 'closes',
  })),
  {
    name: 'It ends when the answer to HTTP/1.0 is over',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.0', HOST),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'HTTP/1.0 needs no Host',
    rfc: '9112 3.2',
    sends: head('GET /x HTTP/1.0'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'A client of HTTP/1.0 may ask to keep its connection',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.0', HOST, 'Connection: keep-alive'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    comesBack: [{ ...OK, framing: 'length' }],
    connection: 'stays',
  },
  {
    name: 'A client of HTTP/1.0 gets no chunks, but a body that ends with the connection',
    rfc: '9112 6.1',
    sends: head('GET /x HTTP/1.0', HOST),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('hello', ' world')}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello world', framing: 'close' }],
    connection: 'closes',
  },
  {
    name: 'Also where it asks to keep its connection',
    rfc: '9112 6.1',
    sends: head('GET /x HTTP/1.0', HOST, 'Connection: keep-alive'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    upstream: {
      answers: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('hello')}`,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'close' }],
    connection: 'closes',
  },
  {
    name: 'A client of HTTP/1.0 may send a body of known length',
    rfc: '9112 6.2',
    sends: `${head('POST /x HTTP/1.0', HOST, 'Content-Length: 5')}hello`,
    arrives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'closes',
  },
  {
    name: 'Requests one behind the other are answered in their order',
    rfc: '9112 9.3.2',
    sends: [
      head('GET /1 HTTP/1.1', HOST),
      head('GET /2 HTTP/1.1', HOST),
      head('GET /3 HTTP/1.1', HOST),
    ].join(''),
    arrives: [
      { line: 'GET /1 HTTP/1.1' },
      { line: 'GET /2 HTTP/1.1' },
      { line: 'GET /3 HTTP/1.1' },
    ],
    upstream: { answers: { '/1': answer('one'), '/2': answer('two'), '/3': answer('three') } },
    comesBack: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
      { line: 'HTTP/1.1 200 OK', body: 'three' },
    ],
    connection: 'stays',
  },
  {
    name: 'Bodies of requests one behind the other are not mixed up',
    rfc: '9112 9.3.2',
    sends: [
      `${head('POST /1 HTTP/1.1', HOST, 'Content-Length: 5')}first`,
      `${head('POST /2 HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunked('sec', 'ond')}`,
      head('GET /3 HTTP/1.1', HOST),
    ].join(''),
    arrives: [
      { line: 'POST /1 HTTP/1.1', body: 'first' },
      { line: 'POST /2 HTTP/1.1', body: 'second' },
      { line: 'GET /3 HTTP/1.1' },
    ],
    upstream: { answers: { '/1': answer('one'), '/2': answer('two'), '/3': answer('three') } },
    comesBack: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
      { line: 'HTTP/1.1 200 OK', body: 'three' },
    ],
    connection: 'stays',
  },
  {
    name: 'What is behind an unsafe request waits until that is answered',
    rfc: '9112 9.3.2',
    sends: [
      head('DELETE /1 HTTP/1.1', HOST) + head('GET /2 HTTP/1.1', HOST),
      { until: 'another is served' },
    ],
    arrives: [{ line: 'DELETE /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    upstream: { holdsBack: '/1', answers: { '/1': answer('one'), '/2': answer('two') } },
    comesBack: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
    ],
    connection: 'stays',
  },
  {
    name: 'What is behind a request that ends the connection is not read',
    rfc: '9112 9.6',
    sends: [head('GET /1 HTTP/1.1', HOST, 'Connection: close'), head('GET /2 HTTP/1.1', HOST)].join(
      '',
    ),
    arrives: [{ line: 'GET /1 HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'HTTP/1.0 without Host is served behind a request that has one',
    rfc: '9112 3.2',
    sends: [head('GET /1 HTTP/1.1', HOST), { until: /ok$/ }, head('GET /2 HTTP/1.0')],
    arrives: [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    comesBack: [OK, OK],
    connection: 'closes',
  },
  {
    name: 'A refused request leaves the connection to the next one',
    rfc: '9112 9.3',
    sends: [head('GET /x/../y HTTP/1.1', HOST), { until: /request_invalid/ }],
    arrives: [],
    comesBack: 'failure',
    connection: 'stays',
  },
  {
    name: 'The keep-alive of HTTP/1.0 ends with a request that does not ask for it',
    rfc: '9112 9.3',
    sends: [
      head('GET /1 HTTP/1.0', HOST, 'Connection: keep-alive'),
      { until: /ok$/ },
      head('GET /2 HTTP/1.0', HOST),
    ],
    arrives: [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    comesBack: [OK, OK],
    connection: 'closes',
  },
  {
    name: 'Close wins over keep-alive',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.1', HOST, 'Connection: keep-alive', 'Connection: close'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    comesBack: [{ ...OK, fields: ['Connection: close'] }],
    connection: 'closes',
  },
  {
    name: 'An empty line between two requests is overlooked',
    rfc: '9112 2.2',
    sends: lines(
      `${head('POST /1 HTTP/1.1', HOST, 'Content-Length: 5')}first`,
      head('GET /2 HTTP/1.1', HOST),
    ),
    arrives: [{ line: 'POST /1 HTTP/1.1', body: 'first' }, { line: 'GET /2 HTTP/1.1' }],
    comesBack: [OK, OK],
    connection: 'stays',
  },
]
