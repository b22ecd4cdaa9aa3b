import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw, isWholeRequest, startRawUpstream } from '../helpers/raw-http.ts'
import { startSidecar } from '../helpers/sidecar.ts'

const lines = (...parts: readonly string[]): string => parts.join('\r\n')

/** What the application gets when the upstream answers these bytes and closes; dates and keep-alive left out. */
async function answered(
  response: string,
  request = 'GET /x HTTP/1.1\r\nHost: localhost\r\n',
): Promise<string> {
  const upstream = await startRawUpstream((received, socket) => {
    if (isWholeRequest(received)) socket.end(response, 'latin1')
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const raw = await exchangeRaw(sidecar.proxyUrl, `${request}Connection: close\r\n\r\n`)
  return raw.replace(/^Date: .*\r\n/m, '').replace(/^Connection: close\r\n/m, '')
}

test('status, reason and headers pass as they came', async () => {
  expect(
    await answered(
      lines(
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
    ),
  ).toBe(
    lines(
      'HTTP/1.1 418 Short And Stout',
      'X-UPPER: 1',
      'Set-Cookie: a=1',
      'x-lower: 2',
      'Set-Cookie: b=2',
      'X-Latin: caf\xe9',
      'Content-Length: 2',
      'Via: 1.1 token-sidecar',
      '',
      'hi',
    ),
  )
})

test('what is about the connection to the upstream stays there', async () => {
  const answer = await answered(
    lines(
      'HTTP/1.1 200 OK',
      'Connection: X-Hop, close',
      'X-Hop: 1',
      'Keep-Alive: timeout=9',
      'Proxy-Authenticate: Basic',
      'X-Kept: 1',
      'Content-Length: 0',
      '',
      '',
    ),
  )
  expect(answer).toContain('X-Kept: 1')
  expect(answer).not.toMatch(/x-hop|timeout=9|proxy-authenticate/i)
})

test('a chunked response stays chunked, with its trailers', async () => {
  const answer = await answered(
    lines(
      'HTTP/1.1 200 OK',
      'Transfer-Encoding: chunked',
      'Trailer: X-Sum',
      '',
      '5',
      'hello',
      '0',
      'X-Sum: abc',
      'Set-Cookie: a=1',
      '',
      '',
    ),
  )
  expect(answer).toMatch(/\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n$/)
})

test('a response that ends by close arrives whole', async () => {
  const answer = await answered('HTTP/1.1 200 OK\r\n\r\nuntil the end')
  expect(answer).toContain('until the end')
  expect(answer.endsWith('0\r\n\r\n')).toBe(true)
})

test.for(['204 No Content', '304 Not Modified'])('%s has no body', async (status) => {
  const answer = await answered(`HTTP/1.1 ${status}\r\nETag: "1"\r\n\r\n`)
  expect(answer).toBe(`HTTP/1.1 ${status}\r\nETag: "1"\r\nVia: 1.1 token-sidecar\r\n\r\n`)
})

test('the answer to HEAD keeps the length of what GET would get', async () => {
  const answer = await answered(
    'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n',
    'HEAD /x HTTP/1.1\r\nHost: localhost\r\n',
  )
  expect(answer).toBe('HTTP/1.1 200 OK\r\nContent-Length: 500\r\nVia: 1.1 token-sidecar\r\n\r\n')
})

test('early hints are passed on before the answer', async () => {
  const answer = await answered(
    lines(
      'HTTP/1.1 103 Early Hints',
      'Link: </style.css>; rel=preload',
      '',
      'HTTP/1.1 200 OK',
      'Content-Length: 2',
      '',
      'ok',
    ),
  )
  expect(answer).toMatch(
    /^HTTP\/1.1 103 Early Hints\r\nLink: <\/style.css>; rel=preload\r\n\r\nHTTP\/1.1 200 OK\r\n/,
  )
})

test('a redirect is passed on, not followed', async () => {
  const answer = await answered(
    'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
  )
  expect(answer).toMatch(/^HTTP\/1.1 302 Found\r\nLocation: http:\/\/127.0.0.1:1\/\r\n/)
})

test('a response of known length that is cut short does not look whole', async () => {
  const answer = await answered('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this')
  expect(answer).toContain('Content-Length: 100')
  expect(answer.endsWith('\r\n\r\nonly this')).toBe(true)
})

test('nor does one in chunks', async () => {
  const answer = await answered(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n',
  )
  expect(answer).toContain('only this')
  expect(answer).not.toMatch(/0\r\n\r\n$/)
})

test.for([
  { what: 'no HTTP', response: 'SSH-2.0-OpenSSH\r\n\r\n', code: 'upstream_protocol' },
  { what: 'nothing', response: '', code: 'upstream_reset' },
  {
    what: 'two lengths',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok',
    code: 'upstream_protocol',
  },
  {
    what: 'a length and chunks',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    code: 'upstream_protocol',
  },
  {
    what: 'too many headers',
    response: `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
    code: 'upstream_protocol',
  },
])('an upstream that answers $what: $code', async ({ response, code }) => {
  const answer = await answered(response)
  expect(answer).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/)
  expect(answer).toContain(`"code":"${code}"`)
  expect(answer).toContain(`Proxy-Status: token-sidecar; error=`)
})
