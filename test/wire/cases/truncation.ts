import { chunk, chunked, head, lastChunk, lines, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'
const GET = head('GET /x HTTP/1.1', HOST)
const ARRIVES = [{ line: 'GET /x HTTP/1.1' }] as const
const CHUNKED = head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')

/** Incomplete and broken messages must not look whole on the other side (RFC 9112 section 8). */
export const TRUNCATION: readonly WireCase[] = [
  {
    name: 'An answer of known length that is cut is cut',
    rfc: '9112 8',
    sends: GET,
    arrives: ARRIVES,
    upstream: {
      answers: lines('HTTP/1.1 200 OK', 'Content-Length: 100', '', 'only this'),
      closes: true,
    },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'length', cut: true }],
    connection: 'closes',
  },
  {
    name: 'An answer in chunks that is cut has no last chunk',
    rfc: '9112 8',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${CHUNKED}${chunk('only this')}`, closes: true },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'chunked', cut: true }],
    connection: 'closes',
  },
  {
    name: 'Also when it is cut in the middle of a chunk',
    rfc: '9112 8',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${CHUNKED}${chunk('only this')}ff\r\nand`, closes: true },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'only thisand', framing: 'chunked', cut: true }],
    connection: 'closes',
  },
  {
    name: 'Also when only the last line break is missing',
    rfc: '9112 8',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${CHUNKED}${chunk('only this')}0\r\n`, closes: true },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'chunked', cut: true }],
    connection: 'closes',
  },
  {
    name: 'Also when it is cut in its trailers',
    rfc: '9112 8',
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers: `${CHUNKED}${chunk('only this')}0\r\nX-Sum: a`, closes: true },
    comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'only this', framing: 'chunked', cut: true }],
    connection: 'closes',
  },
  ...brokenAnswers(),
  ...cutRequests(),
]

function broken(name: string, rfc: string, answers: string): WireCase {
  return {
    name: `${name}: 502, and nothing of it is passed on`,
    rfc,
    sends: GET,
    arrives: ARRIVES,
    upstream: { answers, closes: true },
    comesBack: 'bad gateway',
    connection: 'stays',
  }
}

function brokenAnswers(): WireCase[] {
  return [
    broken('No HTTP', '9112 4', 'SSH-2.0-OpenSSH\r\n\r\n'),
    broken('Another HTTP', '9110 2.5', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    broken('Nothing', '9112 8', ''),
    broken('Half a head', '9112 8', 'HTTP/1.1 200 OK\r\nContent-Le'),
    broken(
      'Two lengths',
      '9112 6.3',
      lines('HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2', '', 'ok'),
    ),
    broken(
      'Two lengths in a list',
      '9112 6.3',
      lines('HTTP/1.1 200 OK', 'Content-Length: 1, 2', '', 'ok'),
    ),
    broken(
      'A negative length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: -2', '', 'ok'),
    ),
    broken('A signed length', '9110 8.6', lines('HTTP/1.1 200 OK', 'Content-Length: +2', '', 'ok')),
    broken(
      'A length of letters',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 0x2', '', 'ok'),
    ),
    broken(
      'A length beyond numbers',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', `Content-Length: ${'9'.repeat(30)}`, '', 'ok'),
    ),
    broken(
      'A length and chunks',
      '9112 6.3',
      `${head('HTTP/1.1 200 OK', 'Content-Length: 1', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
    ),
    broken(
      'Chunks and a length',
      '9112 6.3',
      `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Content-Length: 1')}${chunked('ok')}`,
    ),
    broken(
      'A folded field',
      '9112 5.2',
      lines('HTTP/1.1 200 OK', 'X-A: 1', ' 2', 'Content-Length: 2', '', 'ok'),
    ),
    broken(
      'A space before a colon',
      '9112 5.1',
      lines('HTTP/1.1 200 OK', 'X-A : 1', 'Content-Length: 2', '', 'ok'),
    ),
    broken(
      'A field without a colon',
      '9112 5',
      lines('HTTP/1.1 200 OK', 'X-A', 'Content-Length: 2', '', 'ok'),
    ),
    broken(
      'NUL in a value',
      '9110 5.5',
      lines('HTTP/1.1 200 OK', 'X-A: 1\x002', 'Content-Length: 2', '', 'ok'),
    ),
    broken(
      'A bare CR in a value',
      '9112 2.2',
      lines('HTTP/1.1 200 OK', 'X-A: 1\rX-B: 2', 'Content-Length: 2', '', 'ok'),
    ),
    broken('Bare line feeds', '9112 2.2', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'),
    broken(
      'One bare line feed',
      '9112 2.2',
      'HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\r\nok',
    ),
    broken('A status of two digits', '9112 4', 'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok'),
    broken('A status of letters', '9112 4', 'HTTP/1.1 2xx OK\r\nContent-Length: 2\r\n\r\nok'),
    broken(
      'A head beyond all limits',
      '9110 5.4',
      `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`,
    ),
    ...[
      ['a size of letters', 'xyz\r\nok\r\n0\r\n\r\n'],
      ['an empty size', '\r\nok\r\n0\r\n\r\n'],
      ['a size in C notation', '0x2\r\nok\r\n0\r\n\r\n'],
      ['a negative size', '-2\r\nok\r\n0\r\n\r\n'],
      ['a size beyond numbers', `${'f'.repeat(20)}\r\nok\r\n0\r\n\r\n`],
      ['a chunk longer than its size', '1\r\nok\r\n0\r\n\r\n'],
      ['bare line feeds', '2\nok\n0\n\n'],
      ['no line break behind a chunk', '2\r\nok0\r\n\r\n'],
    ].map(([what, body]) => broken(`Chunks with ${what}`, '9112 7.1', `${CHUNKED}${body}`)),
    ...['000 None', '099 Below', '1000 Beyond', '-20 Signed', '200OK'].map((status) =>
      broken(`A status of ${status}`, '9110 15', head(`HTTP/1.1 ${status}`, 'Content-Length: 0')),
    ),
    ...['\x00', '\x01', '\x7f', '\r'].map((character) =>
      broken(
        `A reason with ${JSON.stringify(character)}`,
        '9112 4',
        head(`HTTP/1.1 200 O${character}K`, 'Content-Length: 0'),
      ),
    ),
    broken(
      'Chunks within chunks',
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
      broken(
        `The transfer codings ${JSON.stringify(codings)}`,
        '9112 6.1',
        `${head('HTTP/1.1 200 OK', `Transfer-Encoding: ${codings}`)}${chunked('ok')}`,
      ),
    ),
    broken(
      'Another transfer coding in a line before chunked',
      '9112 6.1',
      `${head('HTTP/1.1 200 OK', 'Transfer-Encoding: br', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
    ),
    broken(
      'A transfer coding of HTTP/1.0',
      '9112 6.1',
      `${head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')}${chunked('ok')}`,
    ),
    broken(
      'Two equal lengths',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 2', '', 'ok'),
    ),
    broken(
      'Two equal lengths in a list',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 2, 2', '', 'ok'),
    ),
    broken('An empty length', '9110 8.6', lines('HTTP/1.1 200 OK', 'Content-Length:', '', 'ok')),
    broken(
      'A fractional length',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 2.0', '', 'ok'),
    ),
    broken(
      'A length that is too large for a number to be exact',
      '9110 8.6',
      lines('HTTP/1.1 200 OK', 'Content-Length: 9007199254740993', '', 'ok'),
    ),
    ...[
      ['a size with a space behind it', '2 \r\nok\r\n0\r\n\r\n'],
      ['an extension without a name', '2;\r\nok\r\n0\r\n\r\n'],
      ['an extension with an open quotation', '2;a="b\r\nok\r\n0\r\n\r\n'],
      ['an extension with a bare CR', '2;a=\rb\r\nok\r\n0\r\n\r\n'],
      ['an extension beyond all limits', `2;${'a'.repeat(10_000)}\r\nok\r\n0\r\n\r\n`],
      ['a space before the size', ' 2\r\nok\r\n0\r\n\r\n'],
      ['a valid chunk before one that is not', '2\r\nok\r\nxyz\r\n'],
      ['a broken trailer', '2\r\nok\r\n0\r\nX Sum: 1\r\n\r\n'],
      ['a folded trailer', '2\r\nok\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n'],
      ['trailers beyond all limits', `2\r\nok\r\n0\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    ].map(([what, body]) => broken(`Chunks with ${what}`, '9112 7.1', `${CHUNKED}${body}`)),
  ]
}

function cutRequests(): WireCase[] {
  return [
    {
      name: 'A broken chunk ends the request on both sides',
      rfc: '9112 8',
      sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunk('hello')}xyz\r\n`,
      arrives: 'no whole request',
      comesBack: 'failure',
      connection: 'closes',
    },
    {
      name: 'So does a broken trailer',
      rfc: '9112 8',
      sends: `${head('POST /x HTTP/1.1', HOST, 'Transfer-Encoding: chunked')}${chunk('hello')}${lastChunk('X Sum: 1')}`,
      arrives: 'no whole request',
      comesBack: 'failure',
      connection: 'closes',
    },
  ]
}
