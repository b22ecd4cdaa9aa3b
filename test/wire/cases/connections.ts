import { chunked, head, lines, OK, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const okWith = (body: string): string =>
  lines('HTTP/1.1 200 OK', `Content-Length: ${body.length}`, '', body)

export const CONNECTIONS: readonly WireCase[] = [
  {
    name: 'An HTTP/1.1 connection persists',
    rfc: '9112 9.3',
    clientSends: head('GET /x HTTP/1.1', HOST),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'persists',
  },
  ...['close', 'Close', 'keep-alive, close', 'x, CLOSE'].map((option): WireCase => ({
    name: `A connection closes after a request with Connection: ${option}`,
    rfc: '9112 9.6',
    clientSends: head('GET /x HTTP/1.1', HOST, `Connection: ${option}`),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    clientReceives: [{ ...OK, fields: ['Connection: close'] }],
    connection: 'closes',
  })),
  {
    name: 'A connection closes after the response to an HTTP/1.0 request',
    rfc: '9112 9.3',
    clientSends: head('GET /x HTTP/1.0', HOST),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'An HTTP/1.0 request without Host is forwarded',
    rfc: '9112 3.2',
    clientSends: head('GET /x HTTP/1.0'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'An HTTP/1.0 connection persists after Connection: keep-alive',
    rfc: '9112 9.3',
    clientSends: head('GET /x HTTP/1.0', HOST, 'Connection: keep-alive'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    clientReceives: [{ ...OK, framing: 'length' }],
    connection: 'persists',
  },
  {
    name: 'A chunked response is close-delimited for an HTTP/1.0 client',
    rfc: '9112 6.1',
    clientSends: head('GET /x HTTP/1.0', HOST),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('hello', ' world')}`,
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello world', framing: 'close' }],
    connection: 'closes',
  },
  {
    name: 'A chunked response is close-delimited for an HTTP/1.0 client with keep-alive',
    rfc: '9112 6.1',
    clientSends: head('GET /x HTTP/1.0', HOST, 'Connection: keep-alive'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    upstream: {
      response: `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}${chunked('hello')}`,
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello', framing: 'close' }],
    connection: 'closes',
  },
  {
    name: 'An HTTP/1.0 request with Content-Length is forwarded with its body',
    rfc: '9112 6.2',
    clientSends: `${head('POST /x HTTP/1.0', HOST, 'Content-Length: 5')}hello`,
    upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    connection: 'closes',
  },
  {
    name: 'Pipelined requests get responses in order',
    rfc: '9112 9.3.2',
    clientSends: [
      head('GET /1 HTTP/1.1', HOST),
      head('GET /2 HTTP/1.1', HOST),
      head('GET /3 HTTP/1.1', HOST),
    ].join(''),
    upstreamReceives: [
      { line: 'GET /1 HTTP/1.1' },
      { line: 'GET /2 HTTP/1.1' },
      { line: 'GET /3 HTTP/1.1' },
    ],
    upstream: { response: { '/1': okWith('one'), '/2': okWith('two'), '/3': okWith('three') } },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
      { line: 'HTTP/1.1 200 OK', body: 'three' },
    ],
    connection: 'persists',
  },
  {
    name: 'Pipelined requests keep their bodies',
    rfc: '9112 9.3.2',
    clientSends: [
      `${head('POST /1 HTTP/1.1', HOST, 'Content-Length: 5')}first`,
      `${head('POST /2 HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunked('sec', 'ond')}`,
      head('GET /3 HTTP/1.1', HOST),
    ].join(''),
    upstreamReceives: [
      { line: 'POST /1 HTTP/1.1', body: 'first' },
      { line: 'POST /2 HTTP/1.1', body: 'second' },
      { line: 'GET /3 HTTP/1.1' },
    ],
    upstream: { response: { '/1': okWith('one'), '/2': okWith('two'), '/3': okWith('three') } },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
      { line: 'HTTP/1.1 200 OK', body: 'three' },
    ],
    connection: 'persists',
  },
  {
    name: 'A request pipelined after an unsafe one waits for its response',
    rfc: '9112 9.3.2',
    clientSends: [
      head('DELETE /1 HTTP/1.1', HOST) + head('GET /2 HTTP/1.1', HOST),
      { until: 'another client is served' },
    ],
    upstreamReceives: [{ line: 'DELETE /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    upstream: { delayedTarget: '/1', response: { '/1': okWith('one'), '/2': okWith('two') } },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'one' },
      { line: 'HTTP/1.1 200 OK', body: 'two' },
    ],
    connection: 'persists',
  },
  {
    name: 'A request pipelined after Connection: close is not processed',
    rfc: '9112 9.6',
    clientSends: [
      head('GET /1 HTTP/1.1', HOST, 'Connection: close'),
      head('GET /2 HTTP/1.1', HOST),
    ].join(''),
    upstreamReceives: [{ line: 'GET /1 HTTP/1.1' }],
    connection: 'closes',
  },
  {
    name: 'An HTTP/1.0 request without Host is forwarded after an HTTP/1.1 request',
    rfc: '9112 3.2',
    clientSends: [head('GET /1 HTTP/1.1', HOST), { until: /ok$/ }, head('GET /2 HTTP/1.0')],
    upstreamReceives: [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    clientReceives: [OK, OK],
    connection: 'closes',
  },
  {
    name: 'A connection persists after a rejected request',
    rfc: '9112 9.3',
    clientSends: [head('GET /x/../y HTTP/1.1', HOST), { until: /request_invalid/ }],
    upstreamReceives: [],
    clientReceives: 'failure',
    connection: 'persists',
  },
  {
    name: 'An HTTP/1.0 connection closes after a request without keep-alive',
    rfc: '9112 9.3',
    clientSends: [
      head('GET /1 HTTP/1.0', HOST, 'Connection: keep-alive'),
      { until: /ok$/ },
      head('GET /2 HTTP/1.0', HOST),
    ],
    upstreamReceives: [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    clientReceives: [OK, OK],
    connection: 'closes',
  },
  {
    name: 'Connection: close takes precedence over keep-alive',
    rfc: '9112 9.3',
    clientSends: head('GET /x HTTP/1.1', HOST, 'Connection: keep-alive', 'Connection: close'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    clientReceives: [{ ...OK, fields: ['Connection: close'] }],
    connection: 'closes',
  },
  {
    name: 'An empty line between two requests is ignored',
    rfc: '9112 2.2',
    clientSends: lines(
      `${head('POST /1 HTTP/1.1', HOST, 'Content-Length: 5')}first`,
      head('GET /2 HTTP/1.1', HOST),
    ),
    upstreamReceives: [{ line: 'POST /1 HTTP/1.1', body: 'first' }, { line: 'GET /2 HTTP/1.1' }],
    clientReceives: [OK, OK],
    connection: 'persists',
  },
]
