import { chunk, chunked, head, lastChunk, lines, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const GET = head('GET /x HTTP/1.1', HOST)
const RECEIVED = [{ line: 'GET /x HTTP/1.1' }] as const
const CHUNKED = head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')

/** Incomplete and invalid messages must not be forwarded as complete ones (RFC 9112 section 8). */
export const TRUNCATION: readonly WireCase[] = [
  {
    name: 'A truncated response with Content-Length is forwarded as truncated',
    rfc: '9112 8',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: {
      response: lines('HTTP/1.1 200 OK', 'Content-Length: 100', '', 'only this'),
      closes: true,
    },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'length', isTruncated: true },
    ],
    connection: 'closes',
  },
  {
    name: 'A truncated chunked response is forwarded without a last chunk',
    rfc: '9112 8',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: `${CHUNKED}${chunk('only this')}`, closes: true },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'chunked', isTruncated: true },
    ],
    connection: 'closes',
  },
  {
    name: 'A response truncated within a chunk is forwarded without a last chunk',
    rfc: '9112 8',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: `${CHUNKED}${chunk('only this')}ff\r\nand`, closes: true },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'only thisand', framing: 'chunked', isTruncated: true },
    ],
    connection: 'closes',
  },
  {
    name: 'A response without the final CRLF is forwarded without a last chunk',
    rfc: '9112 8',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: `${CHUNKED}${chunk('only this')}0\r\n`, closes: true },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'chunked', isTruncated: true },
    ],
    connection: 'closes',
  },
  {
    name: 'A response truncated within its trailer section is forwarded without a last chunk',
    rfc: '9112 8',
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response: `${CHUNKED}${chunk('only this')}0\r\nX-Sum: a`, closes: true },
    clientReceives: [
      { line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'chunked', isTruncated: true },
    ],
    connection: 'closes',
  },
  ...invalidResponses(),
  ...invalidRequests(),
]

function invalid(name: string, rfc: string, response: string): WireCase {
  return {
    name: `A response with ${name} causes a 502`,
    rfc,
    clientSends: GET,
    upstreamReceives: RECEIVED,
    upstream: { response, closes: true },
    clientReceives: 'bad gateway',
    connection: 'persists',
  }
}

function invalidResponses(): WireCase[] {
  return [
    invalid('an invalid status line', '9112 4', 'SSH-2.0-OpenSSH\r\n\r\n'),
    invalid('the version HTTP/2.0', '9110 2.5', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    invalid('no data', '9112 8', ''),
    invalid('a truncated header section', '9112 8', 'HTTP/1.1 200 OK\r\nContent-Le'),
    invalid(
      'two Content-Length fields',
      '9112 6.3',
      lines('HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2', '', 'ok'),
    ),
    invalid(
      'a Content-Length list of two values',
      '9112 6.3',
      lines('HTTP/1.1 200 OK', 'Content-Length: 1, 2', '', 'ok'),
    ),
    invalid(
      'a negative Content-Length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: -2', '', 'ok'),
    ),
    invalid(
      'a signed Content-Length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: +2', '', 'ok'),
    ),
    invalid(
      'a hexadecimal Content-Length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 0x2', '', 'ok'),
    ),
    invalid(
      'an overflowing Content-Length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', `Content-Length: ${'9'.repeat(30)}`, '', 'ok'),
    ),
    invalid(
      'Content-Length, then Transfer-Encoding',
      '9112 6.3',
      `${head('HTTP/1.1 200 OK', 'Content-Length: 1', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
    ),
    invalid(
      'Transfer-Encoding, then Content-Length',
      '9112 6.3',
      `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Content-Length: 1')}${chunked('ok')}`,
    ),
    invalid(
      'a folded field line',
      '9112 5.2',
      lines('HTTP/1.1 200 OK', 'X-A: 1', ' 2', 'Content-Length: 2', '', 'ok'),
    ),
    invalid(
      'a space before a colon',
      '9112 5.1',
      lines('HTTP/1.1 200 OK', 'X-A : 1', 'Content-Length: 2', '', 'ok'),
    ),
    invalid(
      'a field line without a colon',
      '9112 5',
      lines('HTTP/1.1 200 OK', 'X-A', 'Content-Length: 2', '', 'ok'),
    ),
    invalid(
      'NUL in a value',
      '9110 5.5',
      lines('HTTP/1.1 200 OK', 'X-A: 1\x002', 'Content-Length: 2', '', 'ok'),
    ),
    invalid(
      'a bare CR in a value',
      '9112 2.2',
      lines('HTTP/1.1 200 OK', 'X-A: 1\rX-B: 2', 'Content-Length: 2', '', 'ok'),
    ),
    invalid('bare LF only', '9112 2.2', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'),
    invalid('one bare LF', '9112 2.2', 'HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\r\nok'),
    invalid(
      'a status code of two digits',
      '9112 4',
      'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok',
    ),
    invalid(
      'a status code with letters',
      '9112 4',
      'HTTP/1.1 2xx OK\r\nContent-Length: 2\r\n\r\nok',
    ),
    invalid(
      'a header section above the limit',
      '9110 5.4',
      `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`,
    ),
    ...[
      ['an invalid chunk size', 'xyz\r\nok\r\n0\r\n\r\n'],
      ['an empty chunk size', '\r\nok\r\n0\r\n\r\n'],
      ['a chunk size with 0x', '0x2\r\nok\r\n0\r\n\r\n'],
      ['a negative chunk size', '-2\r\nok\r\n0\r\n\r\n'],
      ['an overflowing chunk size', `${'f'.repeat(20)}\r\nok\r\n0\r\n\r\n`],
      ['a chunk longer than its size', '1\r\nok\r\n0\r\n\r\n'],
      ['bare LF in a chunked body', '2\nok\n0\n\n'],
      ['no CRLF after a chunk', '2\r\nok0\r\n\r\n'],
    ].map(([what = '', body]) => invalid(what, '9112 7.1', `${CHUNKED}${body}`)),
    ...['000 None', '099 Below', '1000 Beyond', '-20 Signed', '200OK'].map((status) =>
      invalid(`the status ${status}`, '9110 15', head(`HTTP/1.1 ${status}`, 'Content-Length: 0')),
    ),
    ...['\x00', '\x01', '\x7f', '\r'].map((character) =>
      invalid(
        `${JSON.stringify(character)} in its reason phrase`,
        '9112 4',
        head(`HTTP/1.1 200 O${character}K`, 'Content-Length: 0'),
      ),
    ),
    invalid(
      'the transfer coding chunked twice',
      '9112 7.1',
      `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
    ),
    ...[
      'gzip, chunked',
      'gzip',
      'br, chunked',
      'xchunked',
      'chunkedx',
      'x-chunked',
      'chunked, identity',
      'identity',
      'identity, chunked',
      'chunked;x',
      'chunked;q=1',
      'chunked ; x=1',
      '"chunked"',
      'chunked chunked',
      'chunked, chunked',
      'chunked, gzip',
      'chunked, ;',
      'x-gzip',
      'trailers',
      '',
      ',',
      '\x0bchunked',
      'chunked\xa0',
    ].map((codings) =>
      invalid(
        `Transfer-Encoding: ${JSON.stringify(codings)}`,
        '9112 6.1',
        `${head('HTTP/1.1 200 OK', `Transfer-Encoding: ${codings}`)}${chunked('ok')}`,
      ),
    ),
    invalid(
      'another transfer coding in a field line before chunked',
      '9112 6.1',
      `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: br', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
    ),
    invalid(
      'Transfer-Encoding in HTTP/1.0',
      '9112 6.1',
      `${head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
    ),
    invalid(
      'two equal Content-Length fields',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 2', '', 'ok'),
    ),
    invalid(
      'a Content-Length list of two equal values',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 2, 2', '', 'ok'),
    ),
    invalid(
      'an empty Content-Length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length:', '', 'ok'),
    ),
    invalid(
      'a fractional Content-Length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 2.0', '', 'ok'),
    ),
    invalid(
      'a Content-Length above the safe integer range',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 9007199254740993', '', 'ok'),
    ),
    ...[
      ['a space after a chunk size', '2 \r\nok\r\n0\r\n\r\n'],
      ['a chunk extension without a name', '2;\r\nok\r\n0\r\n\r\n'],
      ['a chunk extension with an unterminated quoted string', '2;a="b\r\nok\r\n0\r\n\r\n'],
      ['a chunk extension with a bare CR', '2;a=\rb\r\nok\r\n0\r\n\r\n'],
      ['a chunk extension above the limit', `2;${'a'.repeat(10_000)}\r\nok\r\n0\r\n\r\n`],
      ['a space before a chunk size', ' 2\r\nok\r\n0\r\n\r\n'],
      ['a valid chunk before an invalid one', '2\r\nok\r\nxyz\r\n'],
      ['an invalid trailer field', '2\r\nok\r\n0\r\nX Sum: 1\r\n\r\n'],
      ['a folded trailer field', '2\r\nok\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n'],
      ['a trailer section above the limit', `2\r\nok\r\n0\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    ].map(([what = '', body]) => invalid(what, '9112 7.1', `${CHUNKED}${body}`)),
  ]
}

function invalidRequests(): WireCase[] {
  return [
    {
      name: 'A request with an invalid chunk is not forwarded as complete',
      rfc: '9112 8',
      clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunk('hello')}xyz\r\n`,
      upstreamReceives: 'no complete request',
      clientReceives: 'failure',
      connection: 'closes',
    },
    {
      name: 'A request with an invalid trailer field is not forwarded as complete',
      rfc: '9112 8',
      clientSends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunk('hello')}${lastChunk('X Sum: 1')}`,
      upstreamReceives: 'no complete request',
      clientReceives: 'failure',
      connection: 'closes',
    },
  ]
}
