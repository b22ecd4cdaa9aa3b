import { head, type WireCase } from '../wire-case.ts'

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const MANY = Array.from({ length: 300 }, (_, i) => `X-Field-${i}: ${i}`)
const LONG = `X-Long: ${'x'.repeat(15 * 1024)}`

export const REQUEST_HEADERS: readonly WireCase[] = [
  {
    name: 'Request fields keep their names, values and order',
    rfc: '9110 5.3',
    clientSends: head(
      'GET /orders/7?a=1&a=%20 HTTP/1.1',
      'Host: localhost',
      'X-UPPER: 1',
      'x-lower: 2',
      'Accept: text/html',
      'X-Twice: one',
      'Cookie: a=1',
      'x-twice: two',
      'Cookie: b=2',
      'X-Empty:',
      'X-Latin: caf\xe9',
    ),
    upstreamReceives: [
      {
        line: 'GET /orders/7?a=1&a=%20 HTTP/1.1',
        fields: [
          'X-UPPER: 1',
          'x-lower: 2',
          'Accept: text/html',
          'X-Twice: one',
          'Cookie: a=1',
          'x-twice: two',
          'Cookie: b=2',
          'X-Empty:',
          'X-Latin: caf\xe9',
        ],
        comparesExactly: true,
      },
    ],
  },
  {
    name: 'Host in any case is forwarded once',
    rfc: '9112 3.2',
    clientSends: head('GET /x HTTP/1.1', 'hOsT: localhost'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
  },
  {
    name: 'Request field lines with the same name stay separate, in order',
    rfc: '9110 5.3',
    clientSends: head('GET /x HTTP/1.1', 'X-Dup: 1', 'Host: localhost', 'x-dup: 2', 'X-DUP: 1'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['X-Dup: 1', 'x-dup: 2', 'X-DUP: 1'] }],
  },
  {
    name: 'Every octet of obs-text in a request field value is forwarded unchanged',
    rfc: '9110 5.5',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', `X-Bytes: ${obsText()}`),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: [`X-Bytes: ${obsText()}`] }],
  },
  {
    name: 'UTF-8 in a request field value is forwarded unchanged',
    rfc: '9110 5.5',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'X-Name: J\xc3\xb6rg \xe2\x98\x83'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['X-Name: J\xc3\xb6rg \xe2\x98\x83'] }],
  },
  {
    name: 'Empty field values are forwarded',
    rfc: '9110 5.5',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'X-Empty:', 'X-Blank: \t '),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['X-Empty:', 'X-Blank:'] }],
  },
  {
    name: 'Whitespace around a field value is removed, whitespace inside is kept',
    rfc: '9112 5.1',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'X-Padded: \t a\t b  c \t'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['X-Padded: a\t b  c'] }],
  },
  {
    name: 'A field name may contain every token character',
    rfc: '9110 5.6.2',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', "!#$%&'*+-.^_`|~09azAZ: 1"),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ["!#$%&'*+-.^_`|~09azAZ: 1"] }],
  },
  {
    name: 'A field value may contain colons, commas, quotes and brackets',
    rfc: '9110 5.5',
    clientSends: head(
      'GET /x HTTP/1.1',
      'Host: localhost',
      'X-Odd: a:b, "c,d" (e) <f>; g=[h] {i} \\',
    ),
    upstreamReceives: [
      { line: 'GET /x HTTP/1.1', fields: ['X-Odd: a:b, "c,d" (e) <f>; g=[h] {i} \\'] },
    ],
  },
  {
    name: 'Fields named __proto__ and constructor are forwarded',
    rfc: '9110 5.1',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', '__proto__: 1', 'constructor: 2'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['__proto__: 1', 'constructor: 2'] }],
  },
  {
    name: 'Three hundred request fields are forwarded',
    rfc: '9110 5.4',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', ...MANY),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: MANY, comparesExactly: true }],
  },
  {
    name: 'A request header section just below 16 KiB is forwarded',
    rfc: '9110 5.4',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', LONG),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: [LONG] }],
  },
  {
    name: 'A request header section above the limit gets a 431',
    rfc: '6585 5',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', `X-Long: ${'x'.repeat(100_000)}`),
    rejectedWith: [431],
  },
  {
    name: 'traceparent and X-Request-Id are forwarded',
    rfc: '9110 5.1',
    clientSends: head(
      'GET /x HTTP/1.1',
      'Host: localhost',
      `traceparent: ${TRACE}`,
      'X-Request-Id: abc-1',
    ),
    upstreamReceives: [
      { line: 'GET /x HTTP/1.1', fields: [`traceparent: ${TRACE}`, 'X-Request-Id: abc-1'] },
    ],
  },
  {
    name: 'Conditional and range fields are forwarded',
    rfc: '9110 13.1',
    clientSends: head(
      'GET /x HTTP/1.1',
      'Host: localhost',
      'If-None-Match: "a", W/"b"',
      'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT',
      'Range: bytes=0-1,5-',
      'Cache-Control: no-cache',
      'Pragma: no-cache',
    ),
    upstreamReceives: [
      {
        line: 'GET /x HTTP/1.1',
        fields: [
          'If-None-Match: "a", W/"b"',
          'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT',
          'Range: bytes=0-1,5-',
          'Cache-Control: no-cache',
          'Pragma: no-cache',
        ],
      },
    ],
  },
  {
    name: 'Accept-Encoding is forwarded',
    rfc: '9110 12.5.3',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'Accept-Encoding: gzip;q=0.5, *;q=0'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['Accept-Encoding: gzip;q=0.5, *;q=0'] }],
  },
  {
    name: 'Without a credential the Authorization of the client is forwarded',
    rfc: '9110 11.6.2',
    clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'Authorization: Basic b3duOm93bg=='),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['Authorization: Basic b3duOm93bg=='] }],
  },
  ...hopByHop(),
  ...via(),
]

function obsText(): string {
  return String.fromCodePoint(...Array.from({ length: 128 }, (_, i) => 0x80 + i))
}

function hopByHop(): WireCase[] {
  return [
    {
      name: 'A request field that Connection lists is removed',
      rfc: '9110 7.6.1',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Connection: X-Named',
        'X-Named: 1',
        'X-Kept: 1',
      ),
      upstreamReceives: [
        { line: 'GET /x HTTP/1.1', fields: ['X-Kept: 1'], forbids: [/^connection:.*x-named/i] },
      ],
    },
    {
      name: 'All Connection fields are honoured, in any case, with empty members and whitespace',
      rfc: '9110 7.6.1',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'X-One: 1',
        'CONNECTION: x-oNe ,, \tX-Two',
        'x-two: 1',
        'connection:,X-THREE,',
        'X-Three: 1',
        'X-Three: 2',
        'X-Kept: 1',
      ),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['X-Kept: 1'] }],
    },
    {
      name: 'A field whose name only begins like a Connection option is forwarded',
      rfc: '9110 7.6.1',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Connection: X-Na',
        'X-Named: 1',
        'X-N: 2',
      ),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['X-Named: 1', 'X-N: 2'] }],
    },
    {
      name: 'Keep-Alive and Proxy-Connection are removed even if Connection does not list them',
      rfc: '9110 7.6.1',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
      ),
      upstreamReceives: [
        { line: 'GET /x HTTP/1.1', forbids: [/^keep-alive:/i, /^proxy-connection:/i] },
      ],
    },
    {
      name: 'Proxy-Authorization is removed',
      rfc: '9110 11.7.2',
      clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'Proxy-Authorization: Basic YTpi'),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    },
    {
      name: 'TE is removed',
      rfc: '9110 10.1.4',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Connection: TE',
        'TE: trailers, deflate;q=0.5',
      ),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    },
    {
      name: 'TE is removed even if Connection does not list it',
      rfc: '9110 10.1.4',
      clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'TE: trailers'),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    },
    {
      name: 'Trailer is removed if the request cannot have a trailer section',
      rfc: '9110 6.6.2',
      clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'Trailer: X-Sum'),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    },
    {
      name: 'Upgrade: h2c is removed, and the response is HTTP/1.1',
      rfc: '9110 7.8',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
      ),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1', forbids: [/^connection:.*upgrade/i] }],
      connection: 'persists',
    },
    {
      name: 'Upgrade: h2c is removed even if Connection does not list it',
      rfc: '9110 7.8',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
      ),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
    },
    {
      name: 'Host is forwarded although Connection lists it',
      rfc: '9110 7.6.1',
      clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'Connection: Host, close'),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
      connection: 'closes',
    },
    {
      name: 'A body keeps its framing although Connection lists Content-Length',
      rfc: '9110 7.6.1',
      clientSends: `${head('POST /x HTTP/1.1', 'Host: localhost', 'Connection: content-length', 'Content-Length: 5')}hello`,
      upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    },
    {
      name: 'A body keeps its framing although Connection lists Transfer-Encoding',
      rfc: '9110 7.6.1',
      clientSends: `${head('POST /x HTTP/1.1', 'Host: localhost', 'Connection: transfer-encoding', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`,
      upstreamReceives: [{ line: 'POST /x HTTP/1.1', body: 'hello' }],
    },
    {
      name: 'Invalid Connection options are ignored',
      rfc: '9110 7.6.1',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Connection: :, a b, "X-Kept"',
        'X-Kept: 1',
      ),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['X-Kept: 1'] }],
    },
  ]
}

function via(): WireCase[] {
  return [
    {
      name: 'The proxy adds Via to a request',
      rfc: '9110 7.6.3',
      clientSends: head('GET /x HTTP/1.1', 'Host: localhost'),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1', via: ['1.1 PROXY'] }],
    },
    {
      name: 'The proxy is appended to the Via of a request',
      rfc: '9110 7.6.3',
      clientSends: head(
        'GET /x HTTP/1.1',
        'Host: localhost',
        'Via: 1.0 fred, 1.1 p.example.net',
        'via: 2 far',
      ),
      upstreamReceives: [
        {
          line: 'GET /x HTTP/1.1',
          via: ['1.0 fred', '1.1 p.example.net', '2 far', '1.1 PROXY'],
        },
      ],
    },
    {
      name: 'Via of a request has the received protocol version',
      rfc: '9110 7.6.3',
      clientSends: head('GET /x HTTP/1.0', 'Host: localhost'),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1', via: ['1.0 PROXY'] }],
    },
    {
      name: 'The proxy adds Via although Connection lists it',
      rfc: '9110 7.6.1',
      clientSends: head('GET /x HTTP/1.1', 'Host: localhost', 'Connection: via', 'Via: 1.0 fred'),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1', via: ['1.1 PROXY'] }],
    },
  ]
}
