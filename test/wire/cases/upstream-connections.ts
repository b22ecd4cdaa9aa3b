import { head, lines, OK, OK_ANSWER, type Step, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const EVIL = lines('HTTP/1.1 200 OK', 'Content-Length: 4', '', 'evil')
const TIMEOUT = head('HTTP/1.1 408 Request Timeout', 'Connection: close', 'Content-Length: 0')
const BODY = 'hello'
const METHODS = ['POST', 'PATCH', 'PUT', 'DELETE'] as const

/** Two requests one after the other. */
const TWO: readonly Step[] = [
  head('GET /1 HTTP/1.1', HOST),
  { until: /ok$/ },
  head('GET /2 HTTP/1.1', HOST),
]
const BOTH_ARRIVE = [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }] as const

const used = (name: string, rfc: string, answer: string, connections: number): WireCase => ({
  name,
  rfc,
  sends: TWO,
  arrives: BOTH_ARRIVE,
  upstream: { answers: { '/1': answer } },
  comesBack: [OK, OK],
  upstreamConnections: connections,
  connection: 'stays',
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
  used('A connection is used again', '9112 9.3', OK_ANSWER, 1),
  ...['close', 'Close', 'keep-alive, close', 'x ,CLOSE', ',close'].map((options) =>
    used(
      `A connection is not used again after Connection: ${options}`,
      '9112 9.6',
      lines('HTTP/1.1 200 OK', `Connection: ${options}`, 'Content-Length: 2', '', 'ok'),
      2,
    ),
  ),
  used(
    'A connection is not used again after Connection: close in a second line',
    '9112 9.6',
    lines('HTTP/1.1 200 OK', 'Connection: x', 'Connection: close', 'Content-Length: 2', '', 'ok'),
    2,
  ),
  used(
    'A connection of HTTP/1.0 is not used again',
    '9112 9.3',
    lines('HTTP/1.0 200 OK', 'Content-Length: 2', '', 'ok'),
    2,
  ),
  used(
    'A connection of HTTP/1.0 is used again after keep-alive',
    '9112 9.3',
    lines('HTTP/1.0 200 OK', 'Connection: Keep-Alive', 'Content-Length: 2', '', 'ok'),
    1,
  ),
  used(
    'A connection is not used again after keep-alive and close',
    '9112 9.3',
    lines('HTTP/1.0 200 OK', 'Connection: keep-alive, close', 'Content-Length: 2', '', 'ok'),
    2,
  ),
  {
    name: 'What comes on an idle connection is no response',
    rfc: '9112 9.2',
    sends: [
      head('GET /1 HTTP/1.1', HOST),
      { until: /ok$/ },
      { until: 'interrupted' },
      head('GET /2 HTTP/1.1', HOST),
    ],
    arrives: BOTH_ARRIVE,
    upstream: { interrupts: { bytes: EVIL, closes: false } },
    comesBack: [OK, OK],
    upstreamConnections: 2,
    connection: 'stays',
  },
  ...[
    ['a 408', TIMEOUT],
    ['nothing', ''],
  ].map(([what, bytes = '']): WireCase => ({
    name: `An idle connection that closes with ${what} costs no request`,
    rfc: '9112 9.5',
    sends: [
      head('GET /1 HTTP/1.1', HOST),
      { until: /ok$/ },
      { until: 'interrupted' },
      head('POST /2 HTTP/1.1', HOST, 'Content-Length: 0'),
    ],
    arrives: [{ line: 'GET /1 HTTP/1.1' }, { line: 'POST /2 HTTP/1.1' }],
    upstream: { interrupts: { bytes, closes: true } },
    comesBack: [OK, OK],
    upstreamConnections: 2,
    connection: 'stays',
  })),
  ...METHODS.flatMap((method) =>
    [false, true].flatMap((isChunked): WireCase[] => {
      const what = `a ${method} ${isChunked ? 'in chunks' : 'of known length'}`
      const sent = { line: `${method} /2 HTTP/1.1`, body: BODY }
      return [
        {
          name: `What comes on a new connection before ${what} was sent is no response`,
          rfc: '9112 9.2',
          sends: [bodyHead(method, isChunked), { until: 'connected again' }, bodyOf(isChunked)],
          arrives: [sent],
          upstream: { greets: { bytes: EVIL, connections: 1 } },
          comesBack: [OK],
          connection: 'stays',
        },
        {
          name: `What comes on two new connections before ${what} was sent is a failure`,
          rfc: '9112 9.2',
          sends: [bodyHead(method, isChunked), { until: /\}\n$/ }, bodyOf(isChunked)],
          arrives: [],
          upstream: { greets: { bytes: EVIL, connections: 2 } },
          comesBack: 'bad gateway',
        },
        ...[
          { unasked: 'A response', bytes: EVIL, closes: false },
          { unasked: 'A 408', bytes: TIMEOUT, closes: true },
          { unasked: 'An interim response', bytes: head('HTTP/1.1 100 Continue'), closes: false },
          { unasked: 'No HTTP', bytes: 'SSH-2.0-OpenSSH\r\n', closes: false },
          { unasked: 'The end', bytes: '', closes: true },
        ].map(({ unasked, bytes, closes }): WireCase => ({
          name: `${unasked} on a used connection before ${what} was sent is none to it`,
          rfc: '9112 9.2',
          sends: [
            head('GET /1 HTTP/1.1', HOST),
            { until: /ok$/ },
            bodyHead(method, isChunked),
            { until: 'another is served' },
            { until: 'interrupted' },
            bodyOf(isChunked),
          ],
          arrives: [{ line: 'GET /1 HTTP/1.1' }, sent],
          upstream: { interrupts: { bytes, closes } },
          comesBack: [OK, OK],
          connection: 'stays',
        })),
      ]
    }),
  ),
]
