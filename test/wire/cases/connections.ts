import { chunked, head, lines, OK, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const okWith = (body: string): string =>
  lines('HTTP/1.1 200 OK', `Content-Length: ${body.length}`, '', body)

export const CONNECTIONS: readonly WireCase[] = [
  {
    name: 'An HTTP/1.1 connection persists',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.1', HOST),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'stays',
  },
  ...['close', 'Close', 'keep-alive, close', 'x, CLOSE'].map((option): WireCase => ({
    name: `A connection closes after a request with Connection: ${option}`,
    rfc: '9112 9.6',
    sends: head('GET /x HTTP/1.1', HOST, `Connection: ${option}`),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    comesBack: [{ ...OK, fields: ['Connection: close'] }],
    connection: 'closes',
  })),
  {
    name: 'A connection closes after the response to an HTTP/1.0 request',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.0', HOST),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'An HTTP/1.0 request without Host is forwarded',
    rfc: '9112 3.2',
    sends: head('GET /x HTTP/1.0'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'An HTTP/1.0 connection persists after Connection: keep-alive',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.0', HOST, 'Connection: keep-alive'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    comesBack: [{ ...OK, framing: 'length' }],
    connection: 'stays',
  },
  {
    name: 'A chunked response is close-delimited for an HTTP/1.0 client',
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
    name: 'A chunked response is close-delimited for an HTTP/1.0 client with keep-alive',
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
    name: 'An HTTP/1.0 request with Content-Length is forwarded with its body',
    rfc: '9112 6.2',
    sends: `${head('POST /x HTTP/1.0', HOST, 'Content-Length: 5')}hello`,
    arrives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'closes',
  },
  {
    name: 'Pipelined requests get responses in order',
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
    upstream: { answers: { '/1': okWith('one'), '/2': okWith('two'), '/3': okWith('three') } },
    comesBack: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
      { line: 'HTTP/1.1 200 OK', body: 'three' },
    ],
    connection: 'stays',
  },
  {
    name: 'Pipelined requests keep their bodies',
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
    upstream: { answers: { '/1': okWith('one'), '/2': okWith('two'), '/3': okWith('three') } },
    comesBack: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
      { line: 'HTTP/1.1 200 OK', body: 'three' },
    ],
    connection: 'stays',
  },
  {
    name: 'A request pipelined after an unsafe one waits for its response',
    rfc: '9112 9.3.2',
    sends: [
      head('DELETE /1 HTTP/1.1', HOST) + head('GET /2 HTTP/1.1', HOST),
      { until: 'another is served' },
    ],
    arrives: [{ line: 'DELETE /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    upstream: { holdsBack: '/1', answers: { '/1': okWith('one'), '/2': okWith('two') } },
    comesBack: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
    ],
    connection: 'stays',
  },
  {
    name: 'A request pipelined after Connection: close is not processed',
    rfc: '9112 9.6',
    sends: [head('GET /1 HTTP/1.1', HOST, 'Connection: close'), head('GET /2 HTTP/1.1', HOST)].join(
      '',
    ),
    arrives: [{ line: 'GET /1 HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'An HTTP/1.0 request without Host is forwarded after an HTTP/1.1 request',
    rfc: '9112 3.2',
    sends: [head('GET /1 HTTP/1.1', HOST), { until: /ok$/ }, head('GET /2 HTTP/1.0')],
    arrives: [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    comesBack: [OK, OK],
    connection: 'closes',
  },
  {
    name: 'A connection persists after a rejected request',
    rfc: '9112 9.3',
    sends: [head('GET /x/../y HTTP/1.1', HOST), { until: /request_invalid/ }],
    arrives: [],
    comesBack: 'failure',
    connection: 'stays',
  },
  {
    name: 'An HTTP/1.0 connection closes after a request without keep-alive',
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
    name: 'Connection: close takes precedence over keep-alive',
    rfc: '9112 9.3',
    sends: head('GET /x HTTP/1.1', HOST, 'Connection: keep-alive', 'Connection: close'),
    arrives: [{ line: 'GET /x HTTP/1.1' }],
    comesBack: [{ ...OK, fields: ['Connection: close'] }],
    connection: 'closes',
  },
  {
    name: 'An empty line between two requests is ignored',
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
