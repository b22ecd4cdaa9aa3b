import { head, lines, type WireCase } from '../wire-case.ts'

const GET = head('GET /x HTTP/1.1', 'Host: localhost')
const RECEIVED = [{ line: 'GET /x HTTP/1.1' }] as const
const MANY = Array.from({ length: 300 }, (_, i) => `X-Field-${i}: ${i}`)
const LONG = `X-Long: ${'x'.repeat(15 * 1024)}`
const OBS_TEXT = String.fromCodePoint(...Array.from({ length: 128 }, (_, i) => 0x80 + i))

export const RESPONSE_HEADERS: readonly WireCase[] = [
  {
    name: 'Status, reason phrase and fields of a response are forwarded unchanged',
    rfc: '9110 5.3',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: lines(
        'HTTP/1.1 418 Short And Stout',
        'X-UPPER: 1',
        'Set-Cookie: a=1',
        'x-lower: 2',
        'Set-Cookie: b=2',
        'X-Latin: caf\xe9',
        'Content-Length: 2',
        '',
        'hi',
      ),
    },
    clientReceives: [
      {
        line: 'HTTP/1.1 418 Short And Stout',
        fields: [
          'X-UPPER: 1',
          'Set-Cookie: a=1',
          'x-lower: 2',
          'Set-Cookie: b=2',
          'X-Latin: caf\xe9',
        ],
        comparesExactly: true,
        body: 'hi',
        framing: 'length',
      },
    ],
    connection: 'persists',
  },
  {
    name: 'Set-Cookie field lines are not combined',
    rfc: '6265 3',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head(
        'HTTP/1.1 200 OK',
        'Set-Cookie: a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT',
        'set-cookie: b=2',
        'Set-Cookie: a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT',
        'Content-Length: 0',
      ),
    },
    clientReceives: [
      {
        line: 'HTTP/1.1 200 OK',
        fields: [
          'Set-Cookie: a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT',
          'set-cookie: b=2',
          'Set-Cookie: a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT',
        ],
      },
    ],
  },
  {
    name: 'Every octet of obs-text in a response field value is forwarded unchanged',
    rfc: '9110 5.5',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head('HTTP/1.1 200 OK', `X-Bytes: ${OBS_TEXT}`, 'Content-Length: 0'),
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: [`X-Bytes: ${OBS_TEXT}`] }],
  },
  {
    name: 'UTF-8 in a response field value is forwarded unchanged',
    rfc: '9110 5.5',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head('HTTP/1.1 200 OK', 'X-Name: J\xc3\xb6rg', 'Content-Length: 0'),
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: ['X-Name: J\xc3\xb6rg'] }],
  },
  {
    name: 'Empty values and field lines with the same name are forwarded in a response',
    rfc: '9110 5.5',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head('HTTP/1.1 200 OK', 'X-Empty:', 'X-Dup: 1', 'x-dup: 2', 'Content-Length: 0'),
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: ['X-Empty:', 'X-Dup: 1', 'x-dup: 2'] }],
  },
  {
    name: 'Three hundred response fields are forwarded',
    rfc: '9110 5.4',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: head('HTTP/1.1 200 OK', ...MANY, 'Content-Length: 0') },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: MANY, comparesExactly: true }],
  },
  {
    name: 'A response header section just below 16 KiB is forwarded',
    rfc: '9110 5.4',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: head('HTTP/1.1 200 OK', LONG, 'Content-Length: 0') },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: [LONG] }],
  },
  {
    name: 'Date of the upstream is forwarded, and no other is added',
    rfc: '9110 6.6.1',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head('HTTP/1.1 200 OK', 'Date: Sun, 06 Nov 1994 08:49:37 GMT', 'Content-Length: 0'),
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', fields: ['Date: Sun, 06 Nov 1994 08:49:37 GMT'] }],
  },
  {
    name: 'Server, Age, Vary and other fields of a response are forwarded',
    rfc: '9110 10.2.4',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head(
        'HTTP/1.1 200 OK',
        'Server: old/1.0 (unix)',
        'Age: 7',
        'Vary: *',
        'ETag: W/"1"',
        'Warning: 299 - "deprecated"',
        'WWW-Authenticate: Negotiate',
        'Content-Length: 0',
      ),
    },
    clientReceives: [
      {
        line: 'HTTP/1.1 200 OK',
        fields: [
          'Server: old/1.0 (unix)',
          'Age: 7',
          'Vary: *',
          'ETag: W/"1"',
          'Warning: 299 - "deprecated"',
          'WWW-Authenticate: Negotiate',
        ],
      },
    ],
  },
  {
    name: 'A response body with a content coding is forwarded unchanged',
    rfc: '9110 7.7',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: lines(
        'HTTP/1.1 200 OK',
        'Content-Encoding: gzip',
        'Content-Length: 4',
        '',
        '\x1f\x8b\x08\x00',
      ),
    },
    clientReceives: [
      {
        line: 'HTTP/1.1 200 OK',
        fields: ['Content-Encoding: gzip'],
        body: '\x1f\x8b\x08\x00',
      },
    ],
  },
  {
    name: 'A redirect is forwarded, not followed',
    rfc: '9110 15.4.3',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head('HTTP/1.1 302 Found', 'Location: http://127.0.0.1:1/', 'Content-Length: 0'),
    },
    clientReceives: [{ line: 'HTTP/1.1 302 Found', fields: ['Location: http://127.0.0.1:1/'] }],
  },
  {
    name: 'Response fields that Connection lists are removed, in any case and from several field lines',
    rfc: '9110 7.6.1',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head(
        'HTTP/1.1 200 OK',
        'Connection: X-Hop, keep-alive',
        'x-hop: 1',
        'connection: ,X-OTHER',
        'X-Other: 1',
        'X-Kept: 1',
        'Content-Length: 0',
      ),
    },
    clientReceives: [
      {
        line: 'HTTP/1.1 200 OK',
        fields: ['X-Kept: 1'],
        forbids: [/^connection:.*x-(?:hop|other)/i],
      },
    ],
  },
  {
    name: 'Hop-by-hop fields of a response are removed',
    rfc: '9110 7.6.1',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head(
        'HTTP/1.1 200 OK',
        'Keep-Alive: timeout=9',
        'Proxy-Connection: keep-alive',
        'Upgrade: h2c',
        'TE: trailers',
        'Content-Length: 0',
      ),
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK', forbids: [/^keep-alive:.*timeout=9\b/i] }],
    connection: 'persists',
  },
  {
    name: 'Proxy-Authenticate is removed',
    rfc: '9110 11.7.1',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head('HTTP/1.1 200 OK', 'Proxy-Authenticate: Basic', 'Content-Length: 0'),
    },
    clientReceives: [{ line: 'HTTP/1.1 200 OK' }],
  },
  {
    name: 'Connection: close of the upstream does not close the client connection',
    rfc: '9110 7.6.1',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: lines('HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 2', '', 'ok'),
      closes: true,
    },
    connection: 'persists',
  },
  {
    name: 'The proxy adds Via to a response',
    rfc: '9110 7.6.3',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    clientReceives: [{ line: 'HTTP/1.1 200 OK', via: ['1.1 PROXY'], body: 'ok' }],
  },
  {
    name: 'The proxy is appended to the Via of a response',
    rfc: '9110 7.6.3',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: head(
        'HTTP/1.1 200 OK',
        'Via: 1.0 fred',
        'via: 2 far, 1.1 near',
        'Content-Length: 0',
      ),
    },
    clientReceives: [
      {
        line: 'HTTP/1.1 200 OK',
        via: ['1.0 fred', '2 far', '1.1 near', '1.1 PROXY'],
      },
    ],
  },
  ...[
    'HTTP/1.1 299 Odd But Fine',
    'HTTP/1.1 599 Network Connect Timeout',
    'HTTP/1.1 418 ',
    'HTTP/1.1 200 J\xc3\xb6rg',
    'HTTP/1.1 200 \xe2\x98\x83',
    'HTTP/1.1 200 tab\there',
    'HTTP/1.1 999 Beyond',
    'HTTP/1.1 404 no such thing',
    'HTTP/1.1 500 Internal Server Error',
    'HTTP/1.1 503 Service Unavailable',
    'HTTP/1.1 401 Unauthorized',
    'HTTP/1.1 407 Proxy Authentication Required',
    'HTTP/1.1 206 Partial Content',
    'HTTP/1.1 421 Misdirected Request',
    'HTTP/1.1 426 Upgrade Required',
  ].map((line): WireCase => ({
    name: `The status line is forwarded: ${line}`,
    rfc: '9112 4',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: lines(line, 'Content-Length: 4', '', 'body') },
    clientReceives: [{ line, body: 'body' }],
    connection: 'persists',
  })),
  {
    name: 'A reason phrase with obs-text is forwarded unchanged',
    rfc: '9112 4',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: lines('HTTP/1.1 200 caf\xe9', 'Content-Length: 4', '', 'body') },
    clientReceives: [{ line: 'HTTP/1.1 200 caf\xe9', body: 'body' }],
    connection: 'persists',
  },
]
