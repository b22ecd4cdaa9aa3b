import {
  chunk,
  chunked,
  type AmbiguousRequest,
  head,
  lastChunk,
  lines,
  type Message,
  type Step,
  type UpstreamScript,
  type WireCase,
} from '../wire-case.ts'

/** The request that an attacker smuggles, so that the proxy sends it without inspection, with its token. */
const SMUGGLED = head('GET /orders/prize HTTP/1.1', 'Host: localhost')

const HOST = 'Host: localhost'
const POST = 'POST /orders HTTP/1.1'
const CHUNKED = 'Transfer-Encoding: chunked'
const WEBSOCKET = [
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
/** Ends at once when read as chunks; the smuggled request follows. */
const EARLY_END = lastChunk() + SMUGGLED

export type SmugglingFamily = {
  readonly family: string
  readonly rfc: string
  readonly cases: readonly (WireCase & AmbiguousRequest)[]
}

type Attempt = {
  readonly name: string
  readonly clientSends: string | readonly Step[]
  readonly mayForward?: Message
  readonly upstream?: UpstreamScript
}

function family(
  name: string,
  rfc: string,
  attempts: readonly Attempt[],
  ambiguity: AmbiguousRequest['ambiguity'] = 'framing',
): SmugglingFamily {
  const cases = attempts.map((attempt) => ({ mayForward: undefined, ...attempt, rfc, ambiguity }))
  return { family: name, rfc, cases }
}

/** Bytes with escape sequences, for a name. */
function shown(bytes: string): string {
  const text = JSON.stringify(bytes).slice(1, -1)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** The smuggled request in a chunk; `SIZE` stands for the correct chunk size. */
function withSize(line: string): string {
  return lines(line.replace('SIZE', SMUGGLED.length.toString(16)), SMUGGLED, lastChunk())
}

/** Lines that are not a valid `Transfer-Encoding: chunked`, and that some parsers accept as such. */
const INVALID_CODINGS = [
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: chunk',
  'Transfer-Encoding: x',
  'Transfer-Encoding: x chunked',
  'Transfer-Encoding: chunked x',
  'Transfer-Encoding: chun ked',
  'Transfer-Encoding: c\thunked',
  'Transfer-Encoding:',
  'Transfer-Encoding: ,',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, gzip',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked; a=b',
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: 'chunked'",
  'Transfer-Encoding: "chunked',
  'Transfer-Encoding: <chunked>',
  'Transfer-Encoding: (x) chunked',
  'Transfer-Encoding: chunked:',
  'Transfer-Encoding: =chunked',
  'Transfer-Encoding: \x00chunked',
  'Transfer-Encoding: chun\x00ked',
  'Transfer-Encoding: chunked\x00',
  'Transfer-Encoding: \x08chunked',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding: \x0cchunked',
  'Transfer-Encoding: chunked\x7f',
  'Transfer-Encoding: \xa0chunked',
  'Transfer-Encoding: chunked\xa0',
  'Transfer-Encoding: chunked\xff',
  // The Kelvin sign in UTF-8, whose lower case is "k".
  'Transfer-Encoding: chun\xe2\x84\xaaed',
  'Transfer-Encoding: chunked\r',
  'Transfer-Encoding: \rchunked',
  'Transfer-Encoding: \nchunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: x\r\n chunked',
  'Transfer-Encoding\r\n : chunked',
  'X-Fold: y\r\n Transfer-Encoding: chunked',
  'X-Fold: y\nTransfer-Encoding: chunked',
  'X-Fold: y\rTransfer-Encoding: chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  'Transfer-Encoding\x0b: chunked',
  'Transfer-Encoding\x00: chunked',
  'Transfer-Encoding\xa0: chunked',
  ' Transfer-Encoding: chunked',
  '\tTransfer-Encoding: chunked',
  '\x00Transfer-Encoding: chunked',
  '\x0bTransfer-Encoding: chunked',
  '"Transfer-Encoding": chunked',
  'Transfer Encoding: chunked',
  'Transfer-Encoding chunked',
  'Transfer-Encoding',
  ':Transfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
  'Transfer-Encoding: x\r\ntransfer-encoding: chunked',
  'Transfer-Encoding: \r\nTransfer-Encoding: chunked',
] as const

/** Valid `Transfer-Encoding: chunked`, or close enough that a parser may accept it. */
const VALID_CODINGS = [
  'Transfer-Encoding: chunked',
  'transfer-encoding: chunked',
  'TRANSFER-ENCODING: CHUNKED',
  'Transfer-Encoding: cHuNkEd',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \t chunked',
  'Transfer-Encoding: chunked \t',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: , chunked',
] as const

/** Fields with similar names. */
const SIMILAR_FIELDS = [
  'Transfer_Encoding: chunked',
  'TransferEncoding: chunked',
  'Transfer--Encoding: chunked',
  'Transfer.Encoding: chunked',
  'X-Transfer-Encoding: chunked',
  'Transfer-Encoding-: chunked',
  "'Transfer-Encoding: chunked",
  'Content-Encoding: chunked',
  'Content_Length: 0',
  'Content-Length-: 0',
  'ContentLength: 0',
] as const

const INVALID_LENGTHS = [
  'Content-Length: +5',
  'Content-Length: -5',
  'Content-Length: 5 5',
  'Content-Length: 5,5',
  'Content-Length: 5, 6',
  'Content-Length: 5;',
  'Content-Length: "5"',
  'Content-Length: 0x5',
  'Content-Length: 5h',
  'Content-Length: 5.0',
  'Content-Length: 5e0',
  'Content-Length: 0_5',
  'Content-Length:',
  'Content-Length: five',
  'Content-Length: \x005',
  'Content-Length: 5\x00',
  'Content-Length: \x0b5',
  'Content-Length: 5\x0b',
  'Content-Length: 5\xa0',
  'Content-Length: \xd9\xa5',
  'Content-Length: 5\r',
  'Content-Length:\r\n 5',
  'Content-Length: 5\r\n 5',
  'Content-Length : 5',
  'Content-Length\t: 5',
  ' Content-Length: 5',
  'Content-Length\x00: 5',
  `Content-Length: ${2n ** 64n + 5n}`,
  `Content-Length: ${'9'.repeat(40)}`,
  'Content-Length: 5\r\nContent-Length: 0',
  'Content-Length: 0\r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: 5\r\ncontent-length: +5',
  'Content-Length: \r\nContent-Length: 5',
] as const

export const SMUGGLING: readonly SmugglingFamily[] = [
  family('CL.TE and TE.CL: Content-Length and Transfer-Encoding', '9112 6.3', [
    ...VALID_CODINGS.map((coding) => ({
      name: `Content-Length that includes the smuggled request, then ${shown(coding)}`,
      clientSends: head(POST, HOST, `Content-Length: ${EARLY_END.length}`, coding) + EARLY_END,
    })),
    ...VALID_CODINGS.map((coding) => ({
      name: `${shown(coding)}, then Content-Length that excludes the smuggled request`,
      clientSends: head(POST, HOST, coding, 'Content-Length: 4') + chunked(SMUGGLED),
    })),
    {
      name: 'Content-Length: 0 and a chunked body',
      clientSends: head(POST, HOST, 'Content-Length: 0', CHUNKED) + chunked(SMUGGLED),
    },
    {
      name: 'Content-Length and a chunked body of that length',
      clientSends: head(POST, HOST, 'Content-Length: 5', CHUNKED) + lastChunk(),
    },
    {
      name: 'GET with Content-Length and a chunked body',
      clientSends: head('GET /orders HTTP/1.1', HOST, 'Content-Length: 5', CHUNKED) + EARLY_END,
    },
  ]),
  family(
    'TE.TE: invalid Transfer-Encoding with Content-Length',
    '9112 6.1',
    INVALID_CODINGS.map((coding) => ({
      name: shown(coding),
      clientSends: head(POST, HOST, `Content-Length: ${EARLY_END.length}`, coding) + EARLY_END,
    })),
  ),
  family(
    'TE.TE: invalid Transfer-Encoding',
    '9112 6.1',
    INVALID_CODINGS.map((coding) => ({
      name: shown(coding),
      clientSends: head(POST, HOST, coding) + chunked(SMUGGLED),
    })),
  ),
  family(
    'TE.TE: valid Transfer-Encoding',
    '9112 7',
    VALID_CODINGS.map((coding) => ({
      name: shown(coding),
      clientSends: head(POST, HOST, coding) + chunked(SMUGGLED),
      mayForward: { line: POST, body: SMUGGLED },
    })),
  ),
  family(
    'Fields with names like those of framing fields',
    '9112 6',
    SIMILAR_FIELDS.map((field) => ({
      name: shown(field),
      clientSends: head(POST, HOST, `Content-Length: ${EARLY_END.length}`, field) + EARLY_END,
      mayForward: { line: POST, fields: [field], body: EARLY_END },
    })),
  ),
  family('Chunked bodies in HTTP/1.0', '9112 6.1', [
    {
      name: 'A chunked body',
      clientSends: head('POST /orders HTTP/1.0', HOST, CHUNKED) + chunked(SMUGGLED),
    },
    {
      name: 'A chunked body with keep-alive',
      clientSends:
        head('POST /orders HTTP/1.0', HOST, 'Connection: keep-alive', CHUNKED) + chunked(SMUGGLED),
    },
    {
      name: 'A chunked body with Content-Length',
      clientSends: head('POST /orders HTTP/1.0', HOST, 'Content-Length: 5', CHUNKED) + EARLY_END,
    },
  ]),
  family(
    'CL.CL: invalid or conflicting Content-Length',
    '9110 8.6',
    INVALID_LENGTHS.map((length) => ({
      name: shown(length),
      clientSends: `${head(POST, HOST, length)}hello${SMUGGLED}`,
    })),
  ),
  family('CL.CL: equal Content-Length values', '9110 8.6', [
    {
      name: 'Two equal Content-Length fields',
      clientSends: `${head(POST, HOST, 'Content-Length: 5', 'Content-Length: 5')}hello`,
      mayForward: { line: POST, body: 'hello' },
    },
    {
      name: 'Two Content-Length fields, one with a leading zero',
      clientSends: `${head(POST, HOST, 'Content-Length: 5', 'Content-Length: 05')}hello`,
      mayForward: { line: POST, body: 'hello' },
    },
    {
      name: 'Content-Length with leading zeros',
      clientSends: `${head(POST, HOST, 'Content-Length: 000005')}hello`,
      mayForward: { line: POST, body: 'hello' },
    },
    {
      name: 'Content-Length with whitespace around it',
      clientSends: `${head(POST, HOST, 'Content-Length: \t 5 \t')}hello`,
      mayForward: { line: POST, body: 'hello' },
    },
  ]),
  family('Unexpected bodies', '9112 6.3', [
    // node-http-proxy#1720 and #1721: a chunked DELETE or OPTIONS arrives as two requests.
    ...['GET', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'PUT', 'POST', 'PROPFIND'].flatMap(
      (method) => {
        const line = `${method} /orders HTTP/1.1`
        return [
          {
            name: `${method} with the smuggled request in a chunk`,
            clientSends: head(line, HOST, CHUNKED) + chunked(SMUGGLED),
            mayForward: { line, body: SMUGGLED },
          },
          {
            name: `${method} with the smuggled request as a body of known length`,
            clientSends: head(line, HOST, `Content-Length: ${SMUGGLED.length}`) + SMUGGLED,
            mayForward: { line, body: SMUGGLED },
          },
        ]
      },
    ),
    {
      name: 'An upload with an Upgrade field',
      clientSends:
        head(
          POST,
          HOST,
          'Connection: Upgrade',
          'Upgrade: x',
          `Content-Length: ${SMUGGLED.length}`,
        ) + SMUGGLED,
      mayForward: { line: POST, body: SMUGGLED },
    },
    {
      name: 'A GET with Upgrade: h2c',
      clientSends:
        head(
          'GET /orders HTTP/1.1',
          HOST,
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
          `Content-Length: ${SMUGGLED.length}`,
        ) + SMUGGLED,
      mayForward: { line: 'GET /orders HTTP/1.1', body: SMUGGLED },
    },
    {
      name: 'The smuggled request after CONNECT',
      clientSends: head('CONNECT localhost:80 HTTP/1.1', 'Host: localhost:80') + SMUGGLED,
    },
  ]),
  family(
    'Expectations',
    '9110 10.1.1',
    [
      '100-continue',
      '100-Continue',
      '100-continue, x',
      'y 100-continue',
      '\x0b100-continue',
      '',
    ].map((expectation) => ({
      name: `Expect: ${shown(expectation)}, with the smuggled request as body`,
      clientSends:
        head(POST, HOST, `Expect: ${expectation}`, `Content-Length: ${SMUGGLED.length}`) + SMUGGLED,
      mayForward: { line: POST, body: SMUGGLED },
    })),
    'semantics',
  ),
  family('Bare CR and bare LF', '9112 2.2', [
    {
      name: 'LF instead of CRLF',
      clientSends: `GET /orders HTTP/1.1\nHost: localhost\n\n${SMUGGLED}`,
    },
    {
      name: 'LF after the request line',
      clientSends: `GET /orders HTTP/1.1\nHost: localhost\r\n\r\n`,
    },
    {
      name: 'LF after a field line',
      clientSends: `GET /orders HTTP/1.1\r\nHost: localhost\nX-A: 1\r\n\r\n`,
    },
    {
      name: 'LF as the empty line',
      clientSends: `GET /orders HTTP/1.1\r\nHost: localhost\r\n\n${SMUGGLED}`,
    },
    {
      name: 'Two LF in a value, then the smuggled request',
      clientSends: `GET /orders HTTP/1.1\r\nHost: localhost\r\nX-A: 1\n\n${SMUGGLED}`,
    },
    {
      name: 'CR after the request line',
      clientSends: `GET /orders HTTP/1.1\rHost: localhost\r\n\r\n`,
    },
    {
      name: 'CR before the version',
      clientSends: `GET /orders\rHTTP/1.1\r\nHost: localhost\r\n\r\n`,
    },
    {
      name: 'CR in a value',
      clientSends: head('GET /orders HTTP/1.1', HOST, 'X-A: 1\rAuthorization: Bearer evil'),
    },
    {
      name: 'CR at the end of a value',
      clientSends: head('GET /orders HTTP/1.1', HOST, 'X-A: 1\r'),
    },
    {
      name: 'CR in a name',
      clientSends: head('GET /orders HTTP/1.1', HOST, 'X-\rA: 1'),
    },
    {
      name: 'CR instead of CRLF',
      clientSends: `GET /orders HTTP/1.1\rHost: localhost\r\r${SMUGGLED}`,
    },
    {
      name: 'LF CR as the empty line',
      clientSends: `GET /orders HTTP/1.1\r\nHost: localhost\n\r\n\r\n`,
    },
    {
      name: 'CR CR LF',
      clientSends: `GET /orders HTTP/1.1\r\nHost: localhost\r\r\n\r\n${SMUGGLED}`,
    },
  ]),
  family(
    'Invalid field lines',
    '9112 5.1',
    [
      'X-A: 1\r\n 2',
      'X-A: 1\r\n\t2',
      'X-A: 1\r\n Authorization: Bearer evil',
      'X-A:\r\n 1',
      'X-A: 1\r\n \r\n 2',
      'X-A : 1',
      'X-A\t: 1',
      ' X-A: 1',
      '\tX-A: 1',
      'X A: 1',
      'X-A',
      ': 1',
      'Authorization : Bearer evil',
      'Authorization\t: Bearer evil',
      ' Authorization: Bearer evil',
      'Authorization\x00: Bearer evil',
      'X-A: 1\x00',
      'X-A: \x01',
      'X-A: 1\x08',
      'X-A: 1\x0b',
      'X-A: 1\x1f',
      'X-A: 1\x7f',
      'X-\x00A: 1',
      'X-\x7fA: 1',
      'X-\xe9: 1',
      'X(A): 1',
      'X[A]: 1',
      'X{A}: 1',
      'X"A": 1',
      'X@A: 1',
      'X,A: 1',
      'X;A: 1',
      'X/A: 1',
      'X=A: 1',
      'X\\A: 1',
    ].flatMap((line) => [
      { name: shown(line), clientSends: head('GET /orders HTTP/1.1', HOST, line) },
      {
        name: `${shown(line)} as the first field line`,
        clientSends: head('GET /orders HTTP/1.1', line, HOST),
      },
    ]),
  ),
  family('Invalid request lines', '9112 3', [
    ...[
      ' GET /orders HTTP/1.1',
      '\x00GET /orders HTTP/1.1',
      '\x0bGET /orders HTTP/1.1',
      'X\r\nGET /orders HTTP/1.1',
      'GET\t/orders HTTP/1.1',
      'GET\x0b/orders HTTP/1.1',
      'GET /orders\tHTTP/1.1',
      'GET /orders HTTP/1.1 ',
      'GET /orders HTTP/1.1\t',
      'GET /orders HTTP/1.1\x00',
      'GET /orders HTTP/1.1 HTTP/1.1',
      'GET /orders x HTTP/1.1',
      'GET /orders\x00 HTTP/1.1',
      'GET /orders HTTP/1.1x',
      'GET /orders HTTP/1.',
      'GET /orders HTTP/11',
      'GET /orders HTTP /1.1',
      'GET HTTP/1.1',
      'GET:/orders HTTP/1.1',
      'HTTP/1.1 200 OK',
    ].map((line) => ({ name: shown(line), clientSends: head(line, HOST) })),
    // RFC 9112 section 3: a parser may split the request line at any whitespace.
    ...['GET  /orders HTTP/1.1', 'GET /orders  HTTP/1.1'].map((line) => ({
      name: shown(line),
      clientSends: head(line, HOST),
      mayForward: { line: 'GET /orders HTTP/1.1' },
    })),
    // RFC 9112 section 2.2: empty lines before a request are to be ignored, if they are CRLF.
    {
      name: 'LF before a request',
      clientSends: `\n\n${head('GET /orders HTTP/1.1', HOST)}`,
      mayForward: { line: 'GET /orders HTTP/1.1' },
    },
  ]),
  family(
    'Invalid chunk sizes',
    '9112 7.1',
    [
      '',
      ' ',
      'g',
      'SIZE g',
      '0xSIZE',
      '+SIZE',
      '-SIZE',
      ' SIZE',
      '\tSIZE',
      'SIZE ',
      'SIZE\t',
      'SIZE\x0b',
      'SIZE\x00',
      'SIZE\xa0',
      'SIZE,',
      'SIZE.0',
      'SIZE ;a',
      'SIZE\r',
      'SIZE\n',
      'SIZE;a\n',
      'SIZE;a\r',
      'SIZE;a\nb',
      'SIZE;a="\n"',
      'SIZE;\x00',
      'SIZE;a=\x7f',
      '"SIZE"',
      'SIZE 0',
      '0\r\nSIZE',
      'fffffffffffffffff',
      '1000000000000000SIZE',
      '100000000SIZE0000000000000000',
      '-1',
    ].map((size) => ({
      name: shown(size),
      clientSends: head(POST, HOST, CHUNKED) + withSize(size),
    })),
    'body',
  ),
  family(
    'Chunk sizes',
    '9112 7.1',
    [
      'SIZE',
      '0SIZE',
      '00000000SIZE',
      'SIZE;a',
      'SIZE;a=b',
      'SIZE;a="b c"',
      'SIZE;a;b',
      'SIZE;',
    ].map((size) => ({
      name: shown(size),
      clientSends: head(POST, HOST, CHUNKED) + withSize(size),
      mayForward: { line: POST, body: SMUGGLED },
    })),
    'body',
  ),
  family(
    'Invalid ends of chunks',
    '9112 7.1',
    [
      { name: 'No CRLF after a chunk', body: `5\r\nhello0\r\n\r\n${SMUGGLED}` },
      { name: 'LF after a chunk', body: `5\r\nhello\n0\r\n\r\n${SMUGGLED}` },
      { name: 'CR after a chunk', body: `5\r\nhello\r0\r\n\r\n${SMUGGLED}` },
      { name: 'Two bytes instead of CRLF after a chunk', body: `5\r\nhelloXX0\r\n\r\n${SMUGGLED}` },
      { name: 'A chunk longer than its size', body: `5\r\nhello!\r\n0\r\n\r\n${SMUGGLED}` },
      { name: 'A chunk shorter than its size', body: `9\r\nhello\r\n0\r\n\r\n${SMUGGLED}` },
      { name: 'An empty line before a chunk', body: `\r\n5\r\nhello\r\n0\r\n\r\n${SMUGGLED}` },
      { name: 'An empty line between chunks', body: `5\r\nhello\r\n\r\n0\r\n\r\n${SMUGGLED}` },
      { name: 'LF instead of CRLF in a chunked body', body: `5\nhello\n0\n\n${SMUGGLED}` },
      { name: 'LF after the last chunk', body: `5\r\nhello\r\n0\n\r\n${SMUGGLED}` },
      {
        name: 'LF as the empty line after the last chunk',
        body: `5\r\nhello\r\n0\r\n\n${SMUGGLED}`,
      },
      { name: 'CR CR LF after the last chunk', body: `5\r\nhello\r\n0\r\n\r\r\n${SMUGGLED}` },
      { name: 'A last chunk of size 0x0', body: `5\r\nhello\r\n0x0\r\n\r\n${SMUGGLED}` },
      { name: 'A last chunk of size -0', body: `5\r\nhello\r\n-0\r\n\r\n${SMUGGLED}` },
      {
        name: 'A last chunk with a space after its size',
        body: `5\r\nhello\r\n0 \r\n\r\n${SMUGGLED}`,
      },
      { name: 'A last chunk with data', body: `5\r\nhello\r\n0\r\nX\r\n\r\n${SMUGGLED}` },
      {
        name: 'The smuggled request instead of a trailer section',
        body: `5\r\nhello\r\n0\r\n${SMUGGLED}`,
      },
    ].map(({ name, body }) => ({ name, clientSends: head(POST, HOST, CHUNKED) + body })),
    'body',
  ),
  family(
    'Trailer fields',
    '9110 6.5.1',
    [
      'Authorization: Bearer evil',
      'Host: evil',
      'Content-Length: 500',
      'Transfer-Encoding: gzip',
      'Connection: authorization',
      'X-Forwarded-For: 127.0.0.1',
      'Cookie: a=1',
    ].map((trailer) => ({
      name: `The trailer field ${trailer} is not merged into the header section`,
      clientSends: head(POST, HOST, CHUNKED, 'Trailer: a') + chunk('hello') + lastChunk(trailer),
      mayForward: { line: POST, fields: ['Trailer: a'], body: 'hello' },
    })),
    'body',
  ),
  family(
    'Invalid trailer fields',
    '9112 7.1.2',
    [
      'X-A : 1',
      ' X-A: 1',
      'X A: 1',
      'X-A: 1\x00',
      'X-A: 1\r\n 2',
      'X-A: 1\rX-B: 2',
      'X-A: 1\nX-B: 2',
      'X-A',
    ].map((trailer) => ({
      name: shown(trailer),
      clientSends: head(POST, HOST, CHUNKED) + chunk('hello') + lastChunk(trailer),
    })),
    'body',
  ),
  family(
    'Fields that the client cannot remove or set',
    '9110 7.6.1',
    [
      ...[
        'authorization',
        'Authorization, Host',
        'content-length',
        'close, authorization',
        'AUTHORIZATION,,host,Content-Length',
      ].map((option) => ({
        name: `Connection: ${option}`,
        clientSends: `${head(POST, HOST, `Connection: ${option}`, 'Authorization: Bearer evil', 'Content-Length: 5')}hello`,
        mayForward: { line: POST, body: 'hello' },
      })),
      {
        name: 'Connection: transfer-encoding',
        clientSends: head(POST, HOST, 'Connection: transfer-encoding', CHUNKED) + chunked(SMUGGLED),
        mayForward: { line: POST, body: SMUGGLED },
      },
      {
        name: 'Several Authorization fields',
        clientSends: head(
          'GET /orders HTTP/1.1',
          'authorization: Bearer evil',
          HOST,
          'Authorization: Bearer evil',
          'AUTHORIZATION:',
        ),
        mayForward: { line: 'GET /orders HTTP/1.1' },
      },
    ],
    'semantics',
  ),
  family(
    'Invalid hosts',
    '9112 3.2',
    [
      ...[
        [],
        ['Host:'],
        [HOST, HOST],
        [HOST, 'Host: evil'],
        ['Host: evil', HOST],
        [HOST, 'host: evil'],
        ['Host: localhost, evil'],
        ['Host: localhost evil'],
        ['Host: evil@localhost'],
        ['Host: localhost/evil'],
        ['Host: localhost?evil'],
        ['Host: localhost#evil'],
        ['Host: localhost\\evil'],
        ['Host: localhost:evil'],
        ['Host: localhost:80:81'],
        ['Host: localhost:-80'],
        ['Host: http://localhost'],
        ['Host: "localhost"'],
        ['Host: [localhost]'],
        ['Host: [::1'],
        ['Host: localhost\xa0'],
      ].map((hosts) => ({
        name: shown(hosts.join('\r\n')) || 'No Host',
        clientSends: head('GET /orders HTTP/1.1', ...hosts),
      })),
      ...[
        'http://evil/orders',
        'http://localhost@evil/orders',
        'http://evil@localhost/orders',
        'http://localhost:evil/orders',
        'http://localhost\\@evil/orders',
        'http:///orders',
        'http:/orders',
        'http:orders',
        'https://localhost/orders',
        'file:///orders',
        'localhost/orders',
        'localhost:80',
      ].map((target) => ({
        name: `The target ${target}`,
        clientSends: head(`GET ${target} HTTP/1.1`, HOST),
      })),
    ],
    'semantics',
  ),
  family(
    'Line breaks in targets',
    '9112 3.2',
    [
      '/orders%0d%0aAuthorization:%20Bearer%20evil',
      '/orders/%0D%0A%0D%0AGET%20/orders/prize%20HTTP/1.1',
      '/orders/%0a',
      '/orders/%00',
      '/orders?x=%0d%0aAuthorization:%20Bearer%20evil',
      '/orders/%E5%98%8A%E5%98%8D',
      '/orders/%c4%8d%c4%8a',
      '/orders/%250d%250a',
    ].map((target) => ({
      name: target,
      clientSends: head(`GET ${target} HTTP/1.1`, HOST),
      mayForward: { line: `GET ${target} HTTP/1.1` },
    })),
    'semantics',
  ),
  family('Data after a request', '9112 9.3', [
    ...[
      { name: 'Chunks without Transfer-Encoding', following: chunked(SMUGGLED) },
      { name: 'A body without Content-Length', following: `hello${SMUGGLED}` },
      { name: 'NUL', following: `\x00${SMUGGLED}` },
      { name: 'A field line instead of a request line', following: `X-A: 1\r\n${SMUGGLED}` },
      {
        name: 'A request with two Content-Length fields',
        following: `${head(POST, HOST, 'Content-Length: 5', 'Content-Length: 6')}hello${SMUGGLED}`,
      },
      {
        name: 'A request with Content-Length and Transfer-Encoding',
        following: head(POST, HOST, 'Content-Length: 5', CHUNKED) + EARLY_END,
      },
    ].map(({ name, following }) => ({
      name,
      clientSends: head('GET /orders HTTP/1.1', HOST) + following,
      mayForward: { line: 'GET /orders HTTP/1.1' },
    })),
    // Data after an upgrade request must not be interpreted before the upstream has accepted the upgrade
    // (RFC 9110 section 7.8).
    ...['200 OK', '302 Found'].map((status) => ({
      name: `The smuggled request after a WebSocket handshake that gets ${status}`,
      clientSends:
        head('GET /orders HTTP/1.1', HOST, 'Connection: Upgrade', ...WEBSOCKET) + SMUGGLED,
      upstream: { response: head(`HTTP/1.1 ${status}`, 'Content-Length: 0') },
      mayForward: { line: 'GET /orders HTTP/1.1', fields: WEBSOCKET },
    })),
    {
      name: 'The smuggled request after a request with Connection: close',
      clientSends: head('GET /orders HTTP/1.1', HOST, 'Connection: close') + SMUGGLED,
      mayForward: { line: 'GET /orders HTTP/1.1' },
    },
    {
      name: 'The smuggled request after an HTTP/1.0 request',
      clientSends: head('GET /orders HTTP/1.0', HOST) + SMUGGLED,
      mayForward: { line: 'GET /orders HTTP/1.1' },
    },
  ]),
]
