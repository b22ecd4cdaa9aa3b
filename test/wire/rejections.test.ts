import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw, startRawUpstream } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

const lines = (...parts: readonly string[]): string => parts.join('\r\n')
const get = (target: string, ...headers: readonly string[]): string =>
  lines(`GET ${target} HTTP/1.1`, ...(headers.length === 0 ? ['Host: localhost'] : headers), '', '')

const REJECTED = [
  // By the parser or by the handler.
  { what: 'a request with two Host fields', request: get('/orders', 'Host: localhost', 'Host: b') },
  {
    what: 'a request with two Content-Length fields',
    request: get('/orders', 'Host: localhost', 'Content-Length: 5', 'Content-Length: 6'),
  },
  { what: 'a TLS ClientHello', request: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n' },
  { what: 'a target with a dot segment', request: get('/orders/../admin') },
  { what: 'a target with a dot segment at the end', request: get('/orders/..') },
  { what: 'a target with a percent-encoded dot segment', request: get('/orders/%2e%2E/admin') },
  {
    what: 'a target with a dot segment before a percent-encoded slash',
    request: get('/orders/..%2fadmin'),
  },
  { what: 'a target with a dot segment with a parameter', request: get('/orders/..;x=1/admin') },
  { what: 'a target with a single-dot segment', request: get('/orders/./7') },
  { what: 'a target with a percent-encoded NUL', request: get('/orders/%00') },
  { what: 'a target with a percent-encoded CRLF', request: get('/orders/%0d%0aX-Evil:1') },
  { what: 'a target with an invalid percent-encoding', request: get('/orders/100%') },
  { what: 'a target whose route depends on a percent-encoded slash', request: get('/orders%2f7') },
  { what: 'a target whose route depends on a double slash', request: get('//orders/7') },
  {
    what: 'a target whose route depends on an overlong UTF-8 sequence',
    request: get('/%c1%afrders/7'),
  },
] as const

test.for(REJECTED)('$what is rejected, and nothing reaches the upstream', async ({ request }) => {
  const upstream = await startRawUpstream((_received, socket) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const sidecar = await startSidecar(`
routes:
  - { name: orders, match: { path: /orders }, upstream: '${upstream.origin}', credential: none }
  - { name: rest, match: { path: / }, upstream: '${upstream.origin}/rest', credential: none }
`)
  const response = await exchangeRaw(sidecar.proxyUrl, request, (soFar) => soFar.endsWith('}\n'))
  expect(response).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
  expect(response).toContain('"code":"request_invalid"')
  expect(response).toContain('error=http_request_error')
  expect(upstream.connections).toHaveLength(0)
})

test('CONNECT is rejected with the reason in the status line', async () => {
  const upstream = await startRawUpstream(() => {})
  const sidecar = await startSidecar(`
routes:
  - { name: all, match: { path: / }, upstream: '${upstream.origin}', credential: none }
`)
  const response = await exchangeRaw(
    sidecar.proxyUrl,
    'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n',
  )
  expect(response.split('\r\n')[0]).toBe(
    'HTTP/1.1 403 Forbidden: no route is for this host; "forward: pass" allows tunnels',
  )
  expect(response).toContain('"code":"egress_denied"')
})

test('a header section above limits.headers gets a 431', async () => {
  const sidecar = await startSidecar(`
routes:
  - { name: all, match: { path: / }, upstream: 'http://127.0.0.1:1', credential: none }
limits: { headers: 4KiB }
`)
  const response = await exchangeRaw(
    sidecar.proxyUrl,
    get('/', 'Host: localhost', `X-Long: ${'x'.repeat(5_000)}`),
    (soFar) => soFar.endsWith('}\n'),
  )
  expect(response).toMatch(/^HTTP\/1.1 431 /)
  expect(response).toContain('"code":"headers_too_large"')
})

test('a connection persists after a rejected request without a body', async () => {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(forwardConfig(upstream).replace('path: /', 'path: /known'))
  const response = await exchangeRaw(
    sidecar.proxyUrl,
    'GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\nGET /known HTTP/1.1\r\nHost: localhost\r\n\r\n',
    (received) => received.endsWith('ok'),
  )
  expect(response.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200'])
})
