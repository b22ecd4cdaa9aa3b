import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startSidecar } from '../helpers/sidecar.ts'

const CONFIG = forwardConfig('http://127.0.0.1:1')

/** The beginning of a TLS ClientHello record. */
const CLIENT_HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'

test.for([
  { protocol: 'tls', what: 'TLS (https)', sends: CLIENT_HELLO, advice: '"http://"' },
  { protocol: 'tls', what: 'TLS (https)', sends: '\x16', advice: '"http://"' },
  { protocol: 'socks', what: 'SOCKS', sends: '\x05\x01\x00', advice: 'an HTTP proxy' },
  {
    protocol: 'socks',
    what: 'SOCKS',
    sends: '\x04\x01\x01\xbb\x00\x00\x00\x01a\0',
    advice: 'HTTP',
  },
  {
    protocol: 'proxy_protocol',
    what: 'the PROXY protocol',
    sends: 'PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
    advice: 'turn it off',
  },
  {
    protocol: 'proxy_protocol',
    what: 'the PROXY protocol',
    sends: '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c',
    advice: 'turn it off',
  },
])('$sends gets a 400, and is logged and counted as $protocol', async (given) => {
  const { protocol, what, sends, advice } = given
  const sidecar = await startSidecar(CONFIG)
  const response = await exchangeRaw(sidecar.proxyUrl, sends)
  expect(response).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  const detail = `Cannot read the request: it is ${what}, and this listener speaks plain HTTP only`
  expect(JSON.parse(response.slice(response.indexOf('\r\n\r\n')))).toMatchObject({
    code: 'request_invalid',
    detail,
  })
  expect(await sidecar.logs()).toContain(detail)
  const name = 'token_sidecar_other_protocol_connections_total'
  expect(await metric(sidecar, name, { protocol })).toBe(1)
  const status = await (await fetch(`${sidecar.adminUrl}/status`)).text()
  const { failures }: { failures: { advice: string }[] } = JSON.parse(status)
  expect(failures[0]?.advice).toContain(advice)
})

test.for([
  {
    what: 'TLS (https)',
    reason: 'and this listener speaks plain HTTP only',
    sends: CLIENT_HELLO,
  },
  {
    what: 'HTTP/2',
    reason: 'which is not expected here',
    sends: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  },
  {
    what: 'the PROXY protocol',
    reason: 'and this listener speaks plain HTTP only',
    sends: 'PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n',
  },
])('the admin listener responds to $what with an explanation, and logs it once', async (given) => {
  const sidecar = await startSidecar(CONFIG)
  const detail = `Cannot read the request: it is ${given.what}, ${given.reason}`
  for (let round = 0; round < 2; round += 1) {
    const response = await exchangeRaw(sidecar.adminUrl, given.sends)
    expect(response).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(JSON.parse(response.slice(response.indexOf('\r\n\r\n')))).toEqual({
      code: 'request_invalid',
      error: detail,
    })
  }
  const lines = (await sidecar.logs()).split('\n').filter((line) => line.includes(detail))
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    expect.objectContaining({ message: 'cannot read a request to the admin listener' }),
  ])
})

test('the admin listener explains header fields that are too large, and bytes that are not HTTP', async () => {
  const sidecar = await startSidecar(CONFIG)
  const large = `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`
  expect(await exchangeRaw(sidecar.adminUrl, large)).toMatch(
    /^HTTP\/1\.1 431 [^]*"code": "headers_too_large"/,
  )
  expect(await exchangeRaw(sidecar.adminUrl, 'hello\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 400 [^]*not valid HTTP/,
  )
})

test('the admin listener responds to a valid request before bytes that are not HTTP', async () => {
  const sidecar = await startSidecar(CONFIG)
  const valid = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const received = await exchangeRaw(sidecar.adminUrl, `${valid}${CLIENT_HELLO}`)
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
})

test('input that only begins like another protocol is not counted as such', async () => {
  const sidecar = await startSidecar(CONFIG)
  for (const sends of ['PROXY / HTTP/1.1\r\n\r\n', 'SSH-2.0-x\r\n', '\x17\x03\x03\x00\x01a']) {
    expect(await exchangeRaw(sidecar.proxyUrl, sends)).toMatch(/^HTTP\/1\.1 (?:400|501) /)
  }
  for (const protocol of ['tls', 'socks', 'proxy_protocol']) {
    const name = 'token_sidecar_other_protocol_connections_total'
    expect(await metric(sidecar, name, { protocol })).toBe(0)
  }
})

test('an unsupported HTTP version is rejected with that reason', async () => {
  const sidecar = await startSidecar(CONFIG)
  const response = await exchangeRaw(sidecar.proxyUrl, 'GET / HTTP/1.2\r\nHost: localhost\r\n\r\n')
  expect(response).toContain('only HTTP/2, HTTP/1.1 and HTTP/1.0 are supported')
})

/** OpenSSL and its users print this error, and document plain HTTP as its usual cause. */
test('a TLS client reports that the listener does not speak TLS', async () => {
  const sidecar = await startSidecar(CONFIG)
  const { port } = new URL(sidecar.proxyUrl)
  const socket = connectTls({ host: '127.0.0.1', port: Number(port) })
  const [error]: unknown[] = await once(socket, 'error').catch((cause: unknown) => [cause])
  expect(String(error)).toMatch(/wrong version number|packet length too long/)
})

test('an HTTP/2 preface after an HTTP/1.1 request is rejected', async () => {
  const sidecar = await startSidecar(CONFIG)
  const options = 'OPTIONS / HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\n\r\n'
  const response = await exchangeRaw(sidecar.proxyUrl, `${options}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`)
  expect(response).toMatch(/^HTTP\/1\.1 204 [^]*HTTP\/1\.1 400 /)
})
