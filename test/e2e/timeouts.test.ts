import { createServer } from 'node:net'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { portOf, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

test('an upstream that does not respond in time causes upstream_timeout', async () => {
  const upstream = await startServer(() => {})
  const sidecar = await startSidecar(forwardConfig(upstream, 'timeouts: { response: 300ms }'))
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(504)
  expect(response.headers.get('proxy-status')).toBe(
    'token-sidecar; error=http_response_timeout; details="upstream_timeout"',
  )
  expect(await response.json()).toMatchObject({
    type: 'urn:token-sidecar:upstream_timeout',
    title: 'The upstream did not respond in time',
    status: 504,
    detail: `Cannot get a response from "${upstream}": no response within the time limit`,
    code: 'upstream_timeout',
    route: 'all',
    requestId: expect.stringMatching(/^[\da-f-]{36}$/),
  })
})

test('a response that stalls is aborted', async () => {
  const upstream = await startServer((_req, res) => void res.write('the first part'))
  const sidecar = await startSidecar(forwardConfig(upstream, 'timeouts: { idle: 300ms }'))
  const response = await fetch(sidecar.proxyUrl)
  await expect(response.text()).rejects.toThrow('terminated')
})

test('a refused connection causes upstream_unreachable, with the reason', async () => {
  const sidecar = await startSidecar(forwardConfig('http://127.0.0.1:1'))
  const response = await fetch(sidecar.proxyUrl, { headers: { 'x-request-id': 'abc-1' } })
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({
    code: 'upstream_unreachable',
    detail: 'Cannot get a response from "http://127.0.0.1:1": connection refused',
    requestId: 'abc-1',
  })
})

test('an https upstream without TLS causes upstream_tls', async () => {
  const server = createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const sidecar = await startSidecar(forwardConfig(`https://127.0.0.1:${portOf(server)}`))
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({ code: 'upstream_tls' })
})
