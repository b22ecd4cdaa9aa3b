import { head, lines, OK, type WireCase } from '../wire-case.ts'

const HOST = 'Host: localhost'

/** RFC 3986 section 2.5: octets of a path need not be UTF-8. */
const LEGACY_TEXT = [
  // Latin-1, with octets that begin overlong UTF-8 sequences.
  '/%C0%20la%20carte',
  '/%c1rvore',
  '/%E0',
  '/%F0%9F',
  '/%C0%B1',
  // EUC-KR, Shift_JIS (the last octet is that of a backslash), GBK, Windows-1251.
  '/%C7%D1%B1%DB/%C0%CC',
  '/%83%65%83%58%83%67/%95%5C',
  '/%95%5c%8e%a6',
  '/%D5%5C',
  '/%CF%F0%E8%E2%E5%F2',
  // Overlong sequences of characters without a meaning in a path.
  '/%e0%9f%bf',
  '/%f0%82%80%80',
]

/** RFC 3629 section 10. */
const OVERLONG_SEQUENCES = [
  '%c0%af %e0%80%af %f0%80%80%af %f8%80%80%80%af %fc%80%80%80%80%af',
  '%c0%ae %e0%80%ae %F0%80%80%AE %f8%80%80%80%ae %fc%80%80%80%80%ae',
  '%c1%9c %e0%81%9c %f0%80%81%9c %c0%80 %e0%80%80 %f0%80%80%80',
  '%c0%8d%c0%8a %c0%9f %c1%bf %e0%80%8a %f0%80%81%bf %c0%c0%af %e0%80%c0%ae',
].flatMap((line) => line.split(' '))

export const TARGETS: readonly WireCase[] = [
  ...verbatim(),
  ...rejectedTargets(),
  {
    name: 'A target in absolute form is equivalent to path and Host',
    rfc: '9112 3.2.2',
    clientSends: head('GET http://AUTHORITY/x?y=1 HTTP/1.1', 'Host: AUTHORITY'),
    upstreamReceives: [{ line: 'GET /x?y=1 HTTP/1.1' }],
  },
  {
    name: 'The scheme of a target in absolute form is case-insensitive',
    rfc: '9110 4.2.3',
    clientSends: head('GET HTTP://AUTHORITY/x HTTP/1.1', 'Host: AUTHORITY'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
  },
  {
    name: 'A target in absolute form without a path has the path /',
    rfc: '9112 3.2.1',
    clientSends: head('GET http://AUTHORITY HTTP/1.1', 'Host: AUTHORITY'),
    upstreamReceives: [{ line: 'GET / HTTP/1.1' }],
  },
  {
    name: 'A target in absolute form with a query and without a path has the path /',
    rfc: '9112 3.2.1',
    clientSends: head('GET http://AUTHORITY?a=1 HTTP/1.1', 'Host: AUTHORITY'),
    upstreamReceives: [{ line: 'GET /?a=1 HTTP/1.1' }],
  },
  {
    name: 'OPTIONS * is rejected, because it has no path to route by (known gap)',
    rfc: '9112 3.2.4',
    clientSends: head('OPTIONS * HTTP/1.1', HOST),
    rejectedWith: [400, 404, 405, 501],
    connection: 'persists',
  },
  {
    name: 'OPTIONS in absolute form without a path is rejected like OPTIONS * (known gap)',
    rfc: '9112 3.2.4',
    clientSends: head('OPTIONS http://AUTHORITY HTTP/1.1', 'Host: AUTHORITY'),
    rejectedWith: [400, 404, 405, 501],
    connection: 'persists',
  },
  {
    name: 'OPTIONS with a path is forwarded',
    rfc: '9110 9.3.7',
    clientSends: head('OPTIONS /x HTTP/1.1', HOST),
    upstreamReceives: [{ line: 'OPTIONS /x HTTP/1.1' }],
  },
  {
    name: 'The proxy responds to OPTIONS with Max-Forwards: 0',
    rfc: '9110 7.6.2',
    clientSends: head('OPTIONS /x HTTP/1.1', HOST, 'Max-Forwards: 0'),
    rejectedWith: [200, 204],
    connection: 'persists',
  },
  {
    name: 'OPTIONS with Max-Forwards: 5 is forwarded with Max-Forwards: 4',
    rfc: '9110 7.6.2',
    clientSends: head('OPTIONS /x HTTP/1.1', HOST, 'Max-Forwards: 5'),
    upstreamReceives: [{ line: 'OPTIONS /x HTTP/1.1', fields: ['Max-Forwards: 4'] }],
  },
  {
    name: 'Max-Forwards is ignored for GET',
    rfc: '9110 7.6.2',
    clientSends: head('GET /x HTTP/1.1', HOST, 'Max-Forwards: 0'),
    upstreamReceives: [{ line: 'GET /x HTTP/1.1', fields: ['Max-Forwards: 0'] }],
  },
  ...methods(),
  ...versions(),
]

function verbatim(): WireCase[] {
  return [
    '/',
    '//x',
    '/x//y',
    '/x/',
    '/a%2Fb',
    '/a%2fb',
    '/a%2eb',
    '/%7efile%2etxt',
    '/x?',
    '/x?a=%20+&&',
    '/x?a=1?b=2',
    '/x?q=a/../b&c=%2e%2e',
    '/x?url=http://localhost/y',
    '/x;p=1',
    '/x;p=1/y;q',
    '/a:b',
    '/:',
    '/x@y',
    '/.hidden',
    '/...',
    "/!$&'()*+,=:@",
    '/%E2%98%83',
    '/%e9',
    '/a%25b',
    '/x?%00',
    '/~x',
    '/x%20y',
    `/${'x'.repeat(8_000)}`,
    ...LEGACY_TEXT,
  ].map((target) => ({
    name: `A target is forwarded unchanged: ${target.slice(0, 60)}`,
    rfc: '9112 3.2.1',
    clientSends: head(`GET ${target} HTTP/1.1`, HOST),
    upstreamReceives: [{ line: `GET ${target} HTTP/1.1` }],
  }))
}

function rejected(name: string, rfc: string, ...bytes: readonly string[]): WireCase {
  return {
    name: `${name} is rejected`,
    rfc,
    clientSends: head(...bytes),
    rejectedWith: [400, 403, 421],
    connection: 'either',
  }
}

function rejectedTargets(): WireCase[] {
  return [
    rejected('A request without Host', '9112 3.2', 'GET /x HTTP/1.1'),
    rejected('An empty Host', '9110 7.2', 'GET /x HTTP/1.1', 'Host:'),
    rejected('A request with two Host fields', '9112 3.2', 'GET /x HTTP/1.1', HOST, 'Host: other'),
    rejected('A request with two equal Host fields', '9112 3.2', 'GET /x HTTP/1.1', HOST, HOST),
    rejected('A Host with a path', '9110 7.2', 'GET /x HTTP/1.1', 'Host: localhost/x'),
    rejected('A Host with userinfo', '9110 7.2', 'GET /x HTTP/1.1', 'Host: me@localhost'),
    rejected('A Host with a space', '9110 7.2', 'GET /x HTTP/1.1', 'Host: localhost other'),
    rejected('A Host that is a list', '9110 7.2', 'GET /x HTTP/1.1', 'Host: localhost, other'),
    rejected('A Host with an invalid port', '9110 7.2', 'GET /x HTTP/1.1', 'Host: localhost:x'),
    rejected('A Host with two ports', '9110 7.2', 'GET /x HTTP/1.1', 'Host: localhost:80:81'),
    rejected('A target that contradicts Host', '9112 3.2.2', 'GET http://other/x HTTP/1.1', HOST),
    rejected('A target with userinfo', '9110 4.2.4', 'GET http://me@localhost/x HTTP/1.1', HOST),
    rejected('A target without a host', '9110 4.2.1', 'GET http:///x HTTP/1.1', HOST),
    rejected('A target of another scheme', '9110 7.4', 'GET ftp://localhost/x HTTP/1.1', HOST),
    rejected('A target with a fragment', '9112 3.2', 'GET /x#top HTTP/1.1', HOST),
    rejected('A target with a fragment after a query', '9112 3.2', 'GET /x?y#top HTTP/1.1', HOST),
    rejected('A target with a backslash', '3986 2', 'GET /x\\..\\y HTTP/1.1', HOST),
    rejected('A target with an invalid percent-encoding', '3986 2.1', 'GET /100% HTTP/1.1', HOST),
    rejected('A dot segment', '3986 3.3', 'GET /x/../y HTTP/1.1', HOST),
    rejected('A dot segment at the end', '3986 3.3', 'GET /x/.. HTTP/1.1', HOST),
    rejected('A single dot', '3986 3.3', 'GET /x/./y HTTP/1.1', HOST),
    rejected('A percent-encoded dot segment', '3986 6.2.2.3', 'GET /x/%2e%2E/y HTTP/1.1', HOST),
    ...OVERLONG_SEQUENCES.map((sequence) =>
      rejected(
        `An overlong UTF-8 sequence: ${sequence}`,
        '3629 10',
        `GET /x/${sequence} HTTP/1.1`,
        HOST,
      ),
    ),
    rejected(
      'A dot segment with a parameter after an overlong semicolon',
      '3629 10',
      'GET /x/..%c0%bby/z HTTP/1.1',
      HOST,
    ),
    ...['/x%5cy', '/%5c', '/%95a%5c', '/%95%2f%5c'].map((target) =>
      rejected(
        `A percent-encoded backslash outside of a multi-byte character: ${target}`,
        '3986 2.5',
        `GET ${target} HTTP/1.1`,
        HOST,
      ),
    ),
    rejected(
      'A dot segment after a multi-byte character that ends with the octet of a backslash',
      '3986 2.5',
      'GET /x/%95%5c../y HTTP/1.1',
      HOST,
    ),
    rejected('A percent-encoded NUL', '3986 7.3', 'GET /x%00 HTTP/1.1', HOST),
    rejected('A percent-encoded CRLF', '3986 7.3', 'GET /x%0d%0aX-Evil:1 HTTP/1.1', HOST),
    {
      name: 'GET * is rejected',
      rfc: '9112 3.2.4',
      clientSends: head('GET * HTTP/1.1', HOST),
      rejectedWith: [400],
      connection: 'either',
    },
    {
      name: 'A target in authority form is rejected for GET',
      rfc: '9112 3.2.3',
      clientSends: head('GET localhost:80 HTTP/1.1', HOST),
      rejectedWith: [400],
    },
    {
      name: 'A target without a leading slash is rejected',
      rfc: '9112 3.2.1',
      clientSends: head('GET x HTTP/1.1', HOST),
      rejectedWith: [400],
    },
    ...['/caf\xe9', '/a b', '/a\tb', '/a\x00b', '/a\x7fb', '/a\x0bb'].map((target): WireCase => ({
      name: `A target with an invalid character is rejected: ${JSON.stringify(target)}`,
      rfc: '9112 3.2',
      clientSends: head(`GET ${target} HTTP/1.1`, HOST),
      rejectedWith: [400, 505],
    })),
  ]
}

function methods(): WireCase[] {
  return [
    ...['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'QUERY'].map(
      (method): WireCase => ({
        name: `${method} is forwarded`,
        rfc: '9110 9.1',
        clientSends: `${head(`${method} /x HTTP/1.1`, HOST, 'Content-Length: 2')}{}`,
        upstreamReceives: [{ line: `${method} /x HTTP/1.1`, body: '{}' }],
        connection: 'persists',
      }),
    ),
    {
      name: 'TRACE is rejected, because its response would contain the token',
      rfc: '9110 9.3.8',
      clientSends: head('TRACE /x HTTP/1.1', HOST),
      rejectedWith: [501],
      connection: 'persists',
    },
    {
      name: 'CONNECT is rejected, because no token can be injected into a tunnel',
      rfc: '9110 9.3.6',
      clientSends: head('CONNECT localhost:443 HTTP/1.1', 'Host: localhost:443'),
      rejectedWith: [403, 405, 501],
    },
    ...['FOO', 'get', 'G(T', 'GETGET'].map((method): WireCase => ({
      name: `An unknown or invalid method is rejected: ${method}`,
      rfc: '9110 9.1',
      clientSends: head(`${method} /x HTTP/1.1`, HOST),
      rejectedWith: method === 'FOO' ? [501] : [400, 501],
    })),
  ]
}

function versions(): WireCase[] {
  return [
    ...[
      'HTTP/2.0',
      'HTTP/0.9',
      'HTTP/1.2',
      'HTTP/3',
      'HTTP/1',
      'HTTP/1.10',
      'HTTP/01.1',
      'http/1.1',
      'HTTQ/1.1',
      'ICE/1.0',
    ].map((version): WireCase => ({
      name: `A request of the version ${version} is rejected`,
      rfc: '9110 2.5',
      clientSends: head(`GET /x ${version}`, HOST),
      rejectedWith: [400, 505],
    })),
    {
      name: 'A request line without a version is rejected',
      rfc: '9112 3',
      clientSends: head('GET /x', HOST),
      rejectedWith: [400, 505],
    },
    {
      name: 'A TLS ClientHello is rejected',
      rfc: '9112 3',
      clientSends: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
      rejectedWith: [400],
    },
    {
      name: 'The method PRI without the HTTP/2 preface is rejected',
      rfc: '9113 3.4',
      clientSends: lines('PRI * HTTP/2.0', '', 'XX', '', ''),
      rejectedWith: [400, 505],
    },
    {
      name: 'An empty line before a request is ignored',
      rfc: '9112 2.2',
      clientSends: lines('', head('GET /x HTTP/1.1', HOST)),
      upstreamReceives: [{ line: 'GET /x HTTP/1.1' }],
      clientReceives: [OK],
    },
  ]
}
