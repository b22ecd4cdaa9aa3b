import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

/** The status codes of both listeners for the same request; PORT stands for the port of each. */
async function statusOfBoth(lines: readonly string[], settings = '') {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(`${forwardConfig(upstream)}\n${settings}`)
  const send = async (url: string): Promise<string> => {
    const request = [...lines, '', ''].join('\r\n').replaceAll('PORT', new URL(url).port)
    const response = await exchangeRaw(url, request, (soFar) => /\r\n\r\n[^]/.test(soFar))
    return response.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)
  }
  return { proxy: await send(sidecar.proxyUrl), admin: await send(sidecar.adminUrl) }
}

const GET = 'GET /livez HTTP/1.1'
const HOST = 'Host: localhost:PORT'

test.for([
  { what: 'an ordinary request', lines: [GET, HOST], status: '200' },
  { what: 'HTTP/1.0 without Host', lines: ['GET /livez HTTP/1.0'], status: '200' },
  { what: 'a same-origin page', lines: [GET, HOST, 'Sec-Fetch-Site: same-origin'], status: '200' },
  { what: 'a navigation by the user', lines: [GET, HOST, 'Sec-Fetch-Site: none'], status: '200' },
  { what: 'its own origin', lines: [GET, HOST, 'Origin: http://localhost:PORT'], status: '200' },
  {
    what: 'its own address as an absolute target',
    lines: ['GET http://127.0.0.1:PORT/livez HTTP/1.1', 'Host: 127.0.0.1:PORT'],
    status: '200',
  },
  { what: 'a host of access.hosts', lines: [GET, 'Host: Sidecar.internal.:PORT'], status: '200' },
  { what: 'no Host', lines: [GET], status: '400' },
  { what: 'an empty Host', lines: [GET, 'Host:'], status: '400' },
  { what: 'two Hosts', lines: [GET, HOST, 'Host: evil.example'], status: '400' },
  { what: 'the same Host twice', lines: [GET, HOST, HOST], status: '400' },
  { what: 'an invalid Host', lines: [GET, 'Host: localhost/x'], status: '400' },
  {
    what: 'a target that contradicts Host',
    lines: ['GET http://127.0.0.1:PORT/livez HTTP/1.1', 'Host: other'],
    status: '400',
  },
  { what: 'a dot segment', lines: ['GET /x/../livez HTTP/1.1', HOST], status: '400' },
  { what: 'HTTP/2.0', lines: ['GET /livez HTTP/2.0', HOST], status: '400' },
  {
    what: 'an unsupported transfer coding',
    lines: [GET, HOST, 'Transfer-Encoding: gzip, chunked'],
    status: '400',
  },
  { what: 'an unknown expectation', lines: [GET, HOST, 'Expect: a-miracle'], status: '417' },
  { what: 'TRACE', lines: ['TRACE /livez HTTP/1.1', HOST], status: '501' },
  { what: 'a cross-site page', lines: [GET, HOST, 'Sec-Fetch-Site: cross-site'], status: '403' },
  {
    what: 'a same-site page of another origin',
    lines: [GET, HOST, 'Sec-Fetch-Site: same-site'],
    status: '403',
  },
  { what: 'another origin', lines: [GET, HOST, 'Origin: http://evil.example'], status: '403' },
  { what: 'an opaque origin', lines: [GET, HOST, 'Origin: null'], status: '403' },
  { what: 'a host name after DNS rebinding', lines: [GET, 'Host: evil.example'], status: '403' },
  {
    what: 'another host as an absolute target',
    lines: ['GET http://evil.example/livez HTTP/1.1', 'Host: evil.example'],
    status: '403',
  },
])('both listeners respond with $status to $what', async ({ lines, status }) => {
  const settings = 'access: { hosts: [sidecar.internal] }'
  expect(await statusOfBoth(lines, settings)).toEqual({ proxy: status, admin: status })
})

test('an origin in access.origins of the proxy is rejected by the admin listener', async () => {
  const settings = 'access: { origins: ["http://localhost:3000"] }'
  const lines = [GET, HOST, 'Origin: http://localhost:3000', 'Sec-Fetch-Site: same-site']
  expect(await statusOfBoth(lines, settings)).toEqual({ proxy: '200', admin: '403' })
})

test('an admin listener on a non-loopback address accepts any Host, but no foreign Origin', async () => {
  const sidecar = await startSidecar(
    forwardConfig('http://127.0.0.1:1'),
    {},
    '127.0.0.1:0',
    '0.0.0.0:0',
  )
  const url = sidecar.adminUrl.replace('0.0.0.0', '127.0.0.1')
  const send = async (...lines: string[]): Promise<string> =>
    await exchangeRaw(url, [GET, ...lines, 'Connection: close', '', ''].join('\r\n'))
  expect(await send('Host: metrics.example')).toMatch(/^HTTP\/1\.1 200 /)
  expect(await send('Host: metrics.example', 'Origin: http://evil.example')).toMatch(
    /^HTTP\/1\.1 403 /,
  )
})
