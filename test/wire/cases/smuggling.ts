import {
  chunk,
  chunked,
  type Doubt,
  head,
  lastChunk,
  lines,
  type Message,
  type Step,
  type UpstreamScript,
  type WireCase,
} from '../wire-case.ts'

/** The prize: a second request that nobody has looked at, with the token of the proxy. */
const PRIZE = head('GET /orders/prize HTTP/1.1', 'Host: localhost')

const HOST = 'Host: localhost'
const POST = 'POST /orders HTTP/1.1'
const CHUNKED = 'Transfer-Encoding: chunked'
const WEBSOCKET = [
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
/** Ends here for who reads chunks, and goes on with the prize. */
const EARLY_END = lastChunk() + PRIZE

export type SmugglingFamily = {
  readonly family: string
  readonly rfc: string
  readonly cases: readonly (WireCase & Doubt)[]
}

type Attempt = {
  readonly name: string
  readonly sends: string | readonly Step[]
  readonly atMost?: Message
  readonly upstream?: UpstreamScript
}

function family(
  name: string,
  rfc: string,
  attempts: readonly Attempt[],
  about: Doubt['about'] = 'the end',
): SmugglingFamily {
  const cases = attempts.map((attempt) => ({ atMost: undefined, ...attempt, rfc, about }))
  return { family: name, rfc, cases }
}

/** Bytes as one sees them. */
function shown(bytes: string): string {
  const text = JSON.stringify(bytes).slice(1, -1)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** A chunked body of the prize; `SIZE` in the line of its size is what it should be. */
function withSize(line: string): string {
  return lines(line.replace('SIZE', PRIZE.length.toString(16)), PRIZE, lastChunk())
}

/** Lines that are no `Transfer-Encoding: chunked`, though somebody may take them for it. */
const NO_CODING = [
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
  // The Kelvin sign in UTF-8, which is a "k" in lower case.
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

/** Ways to write it that are right, or that a reader may put right. */
const CODINGS = [
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

/** Other fields, however alike. */
const OTHER_FIELDS = [
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

const NO_LENGTHS = [
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
  family('CL.TE and TE.CL: a length and chunks', '9112 6.3', [
    ...CODINGS.map((coding) => ({
      name: `A length behind which the prize is inside, then ${shown(coding)}`,
      sends: head(POST, HOST, `Content-Length: ${EARLY_END.length}`, coding) + EARLY_END,
    })),
    ...CODINGS.map((coding) => ({
      name: `${shown(coding)}, then a length before which the prize is outside`,
      sends: head(POST, HOST, coding, 'Content-Length: 4') + chunked(PRIZE),
    })),
    {
      name: 'A length of nothing and chunks',
      sends: head(POST, HOST, 'Content-Length: 0', CHUNKED) + chunked(PRIZE),
    },
    {
      name: 'A length and chunks that agree',
      sends: head(POST, HOST, 'Content-Length: 5', CHUNKED) + lastChunk(),
    },
    {
      name: 'GET with a length and chunks',
      sends: head('GET /orders HTTP/1.1', HOST, 'Content-Length: 5', CHUNKED) + EARLY_END,
    },
  ]),
  family(
    'TE.TE: a coding that is none, and a length',
    '9112 6.1',
    NO_CODING.map((coding) => ({
      name: shown(coding),
      sends: head(POST, HOST, `Content-Length: ${EARLY_END.length}`, coding) + EARLY_END,
    })),
  ),
  family(
    'TE.TE: a coding that is none',
    '9112 6.1',
    NO_CODING.map((coding) => ({
      name: shown(coding),
      sends: head(POST, HOST, coding) + chunked(PRIZE),
    })),
  ),
  family(
    'TE.TE: a coding that is one',
    '9112 7',
    CODINGS.map((coding) => ({
      name: shown(coding),
      sends: head(POST, HOST, coding) + chunked(PRIZE),
      atMost: { line: POST, body: PRIZE },
    })),
  ),
  family(
    'Fields that only look like framing',
    '9112 6',
    OTHER_FIELDS.map((field) => ({
      name: shown(field),
      sends: head(POST, HOST, `Content-Length: ${EARLY_END.length}`, field) + EARLY_END,
      atMost: { line: POST, fields: [field], body: EARLY_END },
    })),
  ),
  family('Chunks in HTTP/1.0', '9112 6.1', [
    {
      name: 'Alone',
      sends: head('POST /orders HTTP/1.0', HOST, CHUNKED) + chunked(PRIZE),
    },
    {
      name: 'On a connection that is to stay',
      sends:
        head('POST /orders HTTP/1.0', HOST, 'Connection: keep-alive', CHUNKED) + chunked(PRIZE),
    },
    {
      name: 'With a length',
      sends: head('POST /orders HTTP/1.0', HOST, 'Content-Length: 5', CHUNKED) + EARLY_END,
    },
  ]),
  family(
    'CL.CL: lengths that are none, or more than one',
    '9110 8.6',
    NO_LENGTHS.map((length) => ({
      name: shown(length),
      sends: `${head(POST, HOST, length)}hello${PRIZE}`,
    })),
  ),
  family('CL.CL: lengths that agree', '9110 8.6', [
    {
      name: 'The same length twice',
      sends: `${head(POST, HOST, 'Content-Length: 5', 'Content-Length: 5')}hello`,
      atMost: { line: POST, body: 'hello' },
    },
    {
      name: 'The same length with a zero before it',
      sends: `${head(POST, HOST, 'Content-Length: 5', 'Content-Length: 05')}hello`,
      atMost: { line: POST, body: 'hello' },
    },
    {
      name: 'A length with zeros before it',
      sends: `${head(POST, HOST, 'Content-Length: 000005')}hello`,
      atMost: { line: POST, body: 'hello' },
    },
    {
      name: 'A length with spaces around it',
      sends: `${head(POST, HOST, 'Content-Length: \t 5 \t')}hello`,
      atMost: { line: POST, body: 'hello' },
    },
  ]),
  family('Bodies where none is expected', '9112 6.3', [
    // node-http-proxy#1720 and #1721: a chunked DELETE or OPTIONS arrives as two requests.
    ...['GET', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'PUT', 'POST', 'PROPFIND'].flatMap(
      (method) => {
        const line = `${method} /orders HTTP/1.1`
        return [
          {
            name: `${method} with the prize in a chunk`,
            sends: head(line, HOST, CHUNKED) + chunked(PRIZE),
            atMost: { line, body: PRIZE },
          },
          {
            name: `${method} with the prize in its length`,
            sends: head(line, HOST, `Content-Length: ${PRIZE.length}`) + PRIZE,
            atMost: { line, body: PRIZE },
          },
        ]
      },
    ),
    {
      name: 'An upload that asks for another protocol',
      sends:
        head(POST, HOST, 'Connection: Upgrade', 'Upgrade: x', `Content-Length: ${PRIZE.length}`) +
        PRIZE,
      atMost: { line: POST, body: PRIZE },
    },
    {
      name: 'A GET that asks for h2c',
      sends:
        head(
          'GET /orders HTTP/1.1',
          HOST,
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
          `Content-Length: ${PRIZE.length}`,
        ) + PRIZE,
      atMost: { line: 'GET /orders HTTP/1.1', body: PRIZE },
    },
    {
      name: 'The prize behind CONNECT',
      sends: head('CONNECT localhost:80 HTTP/1.1', 'Host: localhost:80') + PRIZE,
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
      name: `Expect: ${shown(expectation)}, and the prize as its body`,
      sends: head(POST, HOST, `Expect: ${expectation}`, `Content-Length: ${PRIZE.length}`) + PRIZE,
      atMost: { line: POST, body: PRIZE },
    })),
    'the meaning',
  ),
  family('Line feeds and carriage returns on their own', '9112 2.2', [
    { name: 'Line feeds only', sends: `GET /orders HTTP/1.1\nHost: localhost\n\n${PRIZE}` },
    {
      name: 'A line feed behind the request line',
      sends: `GET /orders HTTP/1.1\nHost: localhost\r\n\r\n`,
    },
    {
      name: 'A line feed behind a field',
      sends: `GET /orders HTTP/1.1\r\nHost: localhost\nX-A: 1\r\n\r\n`,
    },
    {
      name: 'A line feed as the empty line',
      sends: `GET /orders HTTP/1.1\r\nHost: localhost\r\n\n${PRIZE}`,
    },
    {
      name: 'Two line feeds in a value, and the prize',
      sends: `GET /orders HTTP/1.1\r\nHost: localhost\r\nX-A: 1\n\n${PRIZE}`,
    },
    {
      name: 'A carriage return behind the request line',
      sends: `GET /orders HTTP/1.1\rHost: localhost\r\n\r\n`,
    },
    {
      name: 'A carriage return before the version',
      sends: `GET /orders\rHTTP/1.1\r\nHost: localhost\r\n\r\n`,
    },
    {
      name: 'A carriage return in a value',
      sends: head('GET /orders HTTP/1.1', HOST, 'X-A: 1\rAuthorization: Bearer evil'),
    },
    {
      name: 'A carriage return at the end of a value',
      sends: head('GET /orders HTTP/1.1', HOST, 'X-A: 1\r'),
    },
    {
      name: 'A carriage return in a name',
      sends: head('GET /orders HTTP/1.1', HOST, 'X-\rA: 1'),
    },
    {
      name: 'Carriage returns only',
      sends: `GET /orders HTTP/1.1\rHost: localhost\r\r${PRIZE}`,
    },
    {
      name: 'A line feed before a carriage return as the empty line',
      sends: `GET /orders HTTP/1.1\r\nHost: localhost\n\r\n\r\n`,
    },
    {
      name: 'Two carriage returns before a line feed',
      sends: `GET /orders HTTP/1.1\r\nHost: localhost\r\r\n\r\n${PRIZE}`,
    },
  ]),
  family(
    'Folded lines, and spaces where none belong',
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
      { name: shown(line), sends: head('GET /orders HTTP/1.1', HOST, line) },
      {
        name: `${shown(line)} as the first field`,
        sends: head('GET /orders HTTP/1.1', line, HOST),
      },
    ]),
  ),
  family('Request lines', '9112 3', [
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
    ].map((line) => ({ name: shown(line), sends: head(line, HOST) })),
    // RFC 9112 section 3: a reader may take any whitespace for what parts the words.
    ...['GET  /orders HTTP/1.1', 'GET /orders  HTTP/1.1'].map((line) => ({
      name: shown(line),
      sends: head(line, HOST),
      atMost: { line: 'GET /orders HTTP/1.1' },
    })),
    // RFC 9112 section 2.2: empty lines before a request are to be overlooked, with CRLF.
    {
      name: 'Line feeds before a request',
      sends: `\n\n${head('GET /orders HTTP/1.1', HOST)}`,
      atMost: { line: 'GET /orders HTTP/1.1' },
    },
  ]),
  family(
    'Sizes of chunks',
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
      sends: head(POST, HOST, CHUNKED) + withSize(size),
    })),
    'the body',
  ),
  family(
    'Sizes of chunks that are right',
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
      sends: head(POST, HOST, CHUNKED) + withSize(size),
      atMost: { line: POST, body: PRIZE },
    })),
    'the body',
  ),
  family(
    'The ends of chunks',
    '9112 7.1',
    [
      { name: 'No line break behind a chunk', body: `5\r\nhello0\r\n\r\n${PRIZE}` },
      { name: 'A line feed behind a chunk', body: `5\r\nhello\n0\r\n\r\n${PRIZE}` },
      { name: 'A carriage return behind a chunk', body: `5\r\nhello\r0\r\n\r\n${PRIZE}` },
      { name: 'Two bytes instead of a line break', body: `5\r\nhelloXX0\r\n\r\n${PRIZE}` },
      { name: 'A chunk longer than its size', body: `5\r\nhello!\r\n0\r\n\r\n${PRIZE}` },
      { name: 'A chunk shorter than its size', body: `9\r\nhello\r\n0\r\n\r\n${PRIZE}` },
      { name: 'An empty line before a chunk', body: `\r\n5\r\nhello\r\n0\r\n\r\n${PRIZE}` },
      { name: 'An empty line between chunks', body: `5\r\nhello\r\n\r\n0\r\n\r\n${PRIZE}` },
      { name: 'Line feeds only', body: `5\nhello\n0\n\n${PRIZE}` },
      { name: 'A line feed behind the last chunk', body: `5\r\nhello\r\n0\n\r\n${PRIZE}` },
      { name: 'A line feed as the empty line', body: `5\r\nhello\r\n0\r\n\n${PRIZE}` },
      { name: 'A carriage return too much', body: `5\r\nhello\r\n0\r\n\r\r\n${PRIZE}` },
      { name: 'A last chunk in C notation', body: `5\r\nhello\r\n0x0\r\n\r\n${PRIZE}` },
      { name: 'A last chunk with a sign', body: `5\r\nhello\r\n-0\r\n\r\n${PRIZE}` },
      { name: 'A last chunk with a space', body: `5\r\nhello\r\n0 \r\n\r\n${PRIZE}` },
      { name: 'A last chunk with data', body: `5\r\nhello\r\n0\r\nX\r\n\r\n${PRIZE}` },
      { name: 'The prize in the place of trailers', body: `5\r\nhello\r\n0\r\n${PRIZE}` },
    ].map(({ name, body }) => ({ name, sends: head(POST, HOST, CHUNKED) + body })),
    'the body',
  ),
  family(
    'Trailers',
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
      name: `${trailer} is not taken for a field of the request`,
      sends: head(POST, HOST, CHUNKED, 'Trailer: a') + chunk('hello') + lastChunk(trailer),
      atMost: { line: POST, fields: ['Trailer: a'], body: 'hello' },
    })),
    'the body',
  ),
  family(
    'Broken trailers',
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
      sends: head(POST, HOST, CHUNKED) + chunk('hello') + lastChunk(trailer),
    })),
    'the body',
  ),
  family(
    'Fields that the client has no say in',
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
        sends: `${head(POST, HOST, `Connection: ${option}`, 'Authorization: Bearer evil', 'Content-Length: 5')}hello`,
        atMost: { line: POST, body: 'hello' },
      })),
      {
        name: 'Connection: transfer-encoding',
        sends: head(POST, HOST, 'Connection: transfer-encoding', CHUNKED) + chunked(PRIZE),
        atMost: { line: POST, body: PRIZE },
      },
      {
        name: 'Several Authorizations',
        sends: head(
          'GET /orders HTTP/1.1',
          'authorization: Bearer evil',
          HOST,
          'Authorization: Bearer evil',
          'AUTHORIZATION:',
        ),
        atMost: { line: 'GET /orders HTTP/1.1' },
      },
    ],
    'the meaning',
  ),
  family(
    'Hosts',
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
        name: shown(hosts.join('\r\n')) || 'None',
        sends: head('GET /orders HTTP/1.1', ...hosts),
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
        name: `A target of ${target}`,
        sends: head(`GET ${target} HTTP/1.1`, HOST),
      })),
    ],
    'the meaning',
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
      sends: head(`GET ${target} HTTP/1.1`, HOST),
      atMost: { line: `GET ${target} HTTP/1.1` },
    })),
    'the meaning',
  ),
  family('What comes behind a request', '9112 9.3', [
    ...[
      { name: 'Chunks that no field announces', behind: chunked(PRIZE) },
      { name: 'A body that no field announces', behind: `hello${PRIZE}` },
      { name: 'NUL', behind: `\x00${PRIZE}` },
      { name: 'A line that is none', behind: `X-A: 1\r\n${PRIZE}` },
      {
        name: 'A request with two lengths',
        behind: `${head(POST, HOST, 'Content-Length: 5', 'Content-Length: 6')}hello${PRIZE}`,
      },
      {
        name: 'A request with a length and chunks',
        behind: head(POST, HOST, 'Content-Length: 5', CHUNKED) + EARLY_END,
      },
    ].map(({ name, behind }) => ({
      name,
      sends: head('GET /orders HTTP/1.1', HOST) + behind,
      atMost: { line: 'GET /orders HTTP/1.1' },
    })),
    // Bytes behind an offer to upgrade belong to nobody before the upstream has taken it (RFC 9110 7.8).
    ...['200 OK', '302 Found'].map((status) => ({
      name: `The prize behind an offer of WebSocket that is answered with ${status}`,
      sends: head('GET /orders HTTP/1.1', HOST, 'Connection: Upgrade', ...WEBSOCKET) + PRIZE,
      upstream: { answers: head(`HTTP/1.1 ${status}`, 'Content-Length: 0') },
      atMost: { line: 'GET /orders HTTP/1.1', fields: WEBSOCKET },
    })),
    {
      name: 'The prize behind a request that ends the connection',
      sends: head('GET /orders HTTP/1.1', HOST, 'Connection: close') + PRIZE,
      atMost: { line: 'GET /orders HTTP/1.1' },
    },
    {
      name: 'The prize behind a request of HTTP/1.0',
      sends: head('GET /orders HTTP/1.0', HOST) + PRIZE,
      atMost: { line: 'GET /orders HTTP/1.1' },
    },
  ]),
]
