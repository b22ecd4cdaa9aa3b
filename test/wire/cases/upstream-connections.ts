import { head, lines, OK, OK_RESPONSE, type Step, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const EVIL = lines('HTTP/1.1 200 OK', 'Content-Length: 4', '', 'evil')
const TIMEOUT = head('HTTP/1.1 408 Request Timeout', 'Connection: close', 'Content-Length: 0')
const BODY = 'hello'
const METHODS = ['POST', 'PATCH', 'PUT', 'DELETE'] as const

/** Two sequential requests. */
const TWO: readonly Step[] = [
  head('GET /1 HTTP/1.1', HOST),
  { until: /ok$/ },
  head('GET /2 HTTP/1.1', HOST),
]
const BOTH_ARRIVE = [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }] as const

const twoRequests = (
  name: string,
  rfc: string,
  response: string,
  connections: number,
): WireCase => ({
  name,
  rfc,
  clientSends: TWO,
  upstreamReceives: BOTH_ARRIVE,
  upstream: { response: { '/1': response } },
  clientReceives: [OK, OK],
  upstreamConnections: connections,
  connection: 'persists',
})

const bodyHead = (method: string, isChunked: boolean): string =>
  head(
    `${method} /2 HTTP/1.1`,
    HOST,
    isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${BODY.length}`,
  )
const bodyOf = (isChunked: boolean): string => (isChunked ? lines('5', BODY, '0', '', '') : BODY)

/** How the proxy uses its connections to the upstream (RFC 9112 section 9). */
export const UPSTREAM_CONNECTIONS: readonly WireCase[] = [
  twoRequests('An upstream connection is reused', '9112 9.3', OK_RESPONSE, 1),
  ...['close', 'Close', 'keep-alive, close', 'x ,CLOSE', ',close'].map((options) =>
    twoRequests(
      `An upstream connection is not reused after Connection: ${options}`,
      '9112 9.6',
      lines('HTTP/1.1 200 OK', `Connection: ${options}`, 'Content-Length: 2', '', 'ok'),
      2,
    ),
  ),
  twoRequests(
    'An upstream connection is not reused after Connection: close in a second field line',
    '9112 9.6',
    lines('HTTP/1.1 200 OK', 'Connection: x', 'Connection: close', 'Content-Length: 2', '', 'ok'),
    2,
  ),
  twoRequests(
    'An HTTP/1.0 upstream connection is not reused',
    '9112 9.3',
    lines('HTTP/1.0 200 OK', 'Content-Length: 2', '', 'ok'),
    2,
  ),
  twoRequests(
    'An HTTP/1.0 upstream connection is reused after keep-alive',
    '9112 9.3',
    lines('HTTP/1.0 200 OK', 'Connection: Keep-Alive', 'Content-Length: 2', '', 'ok'),
    1,
  ),
  twoRequests(
    'An HTTP/1.0 upstream connection is not reused after keep-alive and close',
    '9112 9.3',
    lines('HTTP/1.0 200 OK', 'Connection: keep-alive, close', 'Content-Length: 2', '', 'ok'),
    2,
  ),
  {
    name: 'Unsolicited data on an idle upstream connection is not used as a response',
    rfc: '9112 9.2',
    clientSends: [
      head('GET /1 HTTP/1.1', HOST),
      { until: /ok$/ },
      { until: 'unsolicited data was sent' },
      head('GET /2 HTTP/1.1', HOST),
    ],
    upstreamReceives: BOTH_ARRIVE,
    upstream: { unsolicited: { bytes: EVIL, closes: false } },
    clientReceives: [OK, OK],
    upstreamConnections: 2,
    connection: 'persists',
  },
  ...[
    ['a 408', TIMEOUT],
    ['nothing', ''],
  ].map(([what, bytes = '']): WireCase => ({
    name: `An idle upstream connection that closes with ${what} does not fail the next request`,
    rfc: '9112 9.5',
    clientSends: [
      head('GET /1 HTTP/1.1', HOST),
      { until: /ok$/ },
      { until: 'unsolicited data was sent' },
      head('POST /2 HTTP/1.1', HOST, 'Content-Length: 0'),
    ],
    upstreamReceives: [{ line: 'GET /1 HTTP/1.1' }, { line: 'POST /2 HTTP/1.1' }],
    upstream: { unsolicited: { bytes, closes: true } },
    clientReceives: [OK, OK],
    upstreamConnections: 2,
    connection: 'persists',
  })),
  ...METHODS.flatMap((method) =>
    [false, true].flatMap((isChunked): WireCase[] => {
      const what = `a ${method} ${isChunked ? 'with a chunked body' : 'with Content-Length'}`
      const sent = { line: `${method} /2 HTTP/1.1`, body: BODY }
      return [
        {
          name: `Unsolicited data on a new connection before ${what} was sent is not used as a response`,
          rfc: '9112 9.2',
          clientSends: [bodyHead(method, isChunked), { until: 'reconnected' }, bodyOf(isChunked)],
          upstreamReceives: [sent],
          upstream: { sendsOnConnect: { bytes: EVIL, connections: 1 } },
          clientReceives: [OK],
          connection: 'persists',
        },
        {
          name: `Unsolicited data on two new connections before ${what} was sent causes a 502`,
          rfc: '9112 9.2',
          clientSends: [bodyHead(method, isChunked), { until: /\}\n$/ }, bodyOf(isChunked)],
          upstreamReceives: [],
          upstream: { sendsOnConnect: { bytes: EVIL, connections: 2 } },
          clientReceives: 'bad gateway',
        },
        ...[
          { received: 'An unsolicited response', bytes: EVIL, closes: false },
          { received: 'An unsolicited 408', bytes: TIMEOUT, closes: true },
          {
            received: 'An unsolicited interim response',
            bytes: head('HTTP/1.1 100 Continue'),
            closes: false,
          },
          { received: 'Data that is not HTTP', bytes: 'SSH-2.0-OpenSSH\r\n', closes: false },
          { received: 'A FIN', bytes: '', closes: true },
        ].map(({ received, bytes, closes }): WireCase => ({
          name: `${received} on a reused connection before ${what} was sent is not used as its response`,
          rfc: '9112 9.2',
          clientSends: [
            head('GET /1 HTTP/1.1', HOST),
            { until: /ok$/ },
            bodyHead(method, isChunked),
            { until: 'another client is served' },
            { until: 'unsolicited data was sent' },
            bodyOf(isChunked),
          ],
          upstreamReceives: [{ line: 'GET /1 HTTP/1.1' }, sent],
          upstream: { unsolicited: { bytes, closes } },
          clientReceives: [OK, OK],
          connection: 'persists',
        })),
      ]
    }),
  ),
]
