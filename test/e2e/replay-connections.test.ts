import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { startFrozenSidecar } from '../helpers/frozen-sidecar.ts'
import { metric } from '../helpers/metrics.ts'
import { exchangeRaw, startRawUpstream } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { sendToken } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** A sidecar with a new token for each token request, in front of an upstream of raw bytes. */
async function startBetween(
  respond: Parameters<typeof startRawUpstream>[0],
  route = '',
  tokens: Parameters<typeof startServer>[0] = nextToken(),
) {
  const endpoint = await startServer(tokens)
  const upstream = await startRawUpstream(respond)
  const sidecar = await startFrozenSidecar(
    endpointConfig({ endpoint: `${endpoint}/token`, upstream: upstream.origin, route }),
  )
  return { sidecar, upstream }
}

function nextToken(): Parameters<typeof startServer>[0] {
  let number = 0
  return (_req, res) => {
    number += 1
    sendToken(res, { access_token: `token-${number}` })
  }
}

const UNAUTHORIZED = 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n'

test('a HEAD request is replayed with a new token after a 401', async () => {
  const { sidecar } = await startBetween((received, socket) => {
    const isGood = received.includes('token-2')
    socket.write(
      isGood
        ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
        : `${UNAUTHORIZED}Content-Length: 5\r\n\r\n`,
    )
  })
  const response = await fetch(`${sidecar.proxyUrl}/orders`, { method: 'HEAD' })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-length')).toBe('5')
})

test('a second 401 to a HEAD request is forwarded unchanged', async () => {
  const { sidecar } = await startBetween((_received, socket) => {
    socket.write(`${UNAUTHORIZED}Content-Length: 5\r\n\r\n`)
  })
  for (let i = 0; i < 3; i += 1) {
    const response = await fetch(`${sidecar.proxyUrl}/orders`, { method: 'HEAD' })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
  }
})

test.for([
  { method: 'GET', rest: 'Content-Length: 0\r\n\r\n' },
  { method: 'GET', rest: '\r\n' },
  { method: 'GET', rest: 'Content-Length: 2\r\n\r\nno' },
  { method: 'HEAD', rest: 'Content-Length: 2\r\n\r\n' },
])('a $method is replayed although the connection of its 401 closes: $rest', async (given) => {
  const issued = nextToken()
  const { promise: firstEnded, resolve } = Promise.withResolvers<void>()
  let isFirst = true
  const { sidecar } = await startBetween(
    (received, socket) => {
      if (received.includes('token-2')) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      else socket.end(`${UNAUTHORIZED}${given.rest}`, () => resolve())
      socket.once('close', resolve)
    },
    '',
    (req, res) => {
      const respond = (): unknown => issued(req, res)
      if (isFirst) respond()
      else void firstEnded.then(() => setImmediate(respond))
      isFirst = false
    },
  )
  expect((await fetch(`${sidecar.proxyUrl}/orders`, { method: given.method })).status).toBe(204)
})

test('an upload that stops after a 401 ends at the idle timeout', async () => {
  const { sidecar, upstream } = await startBetween((_received, socket) => {
    socket.write(`${UNAUTHORIZED}Content-Length: 0\r\n\r\n`)
  }, 'timeouts: { idle: 1m }')
  const response = exchangeRaw(
    sidecar.proxyUrl,
    'POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nthe first part',
    (soFar) => soFar.endsWith('}\n'),
  )
  await until(() => upstream.connections[0]?.received.endsWith('the first part') === true)
  await sidecar.pass(62_000)
  expect(await response).toMatch(/^HTTP\/1.1 408 /)
  await until(
    async () =>
      (await metric(sidecar, 'token_sidecar_requests_in_flight', { route: 'orders' })) === 0,
  )
})

test('a 401 with an incomplete body does not occupy its connection', async () => {
  const { sidecar, upstream } = await startBetween((received, socket) => {
    if (received.includes('token-2')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    else socket.write(`${UNAUTHORIZED}Content-Length: 1000\r\n\r\nabc`)
  }, 'connections: 1')
  const response = fetch(`${sidecar.proxyUrl}/orders`)
  await until(async () => {
    await sidecar.pass(1_000)
    return upstream.connections.length === 2
  })
  expect(await (await response).text()).toBe('ok')
})

test('an upload that makes progress after the response has begun does not reach the idle timeout', async () => {
  let hasBegun = false
  const { sidecar, upstream } = await startBetween((received, socket) => {
    if (!hasBegun) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhead')
    hasBegun = true
    if (received.endsWith('END')) socket.write('tail')
  }, 'timeouts: { idle: 1m }')
  const { hostname, port } = new URL(sidecar.proxyUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.write(
    'POST /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 11\r\n\r\n',
  )
  const response = text(socket)
  for (let sent = 1; sent <= 8; sent += 1) {
    socket.write('x')
    await until(() => upstream.connections[0]?.received.endsWith('x'.repeat(sent)) === true)
    await sidecar.pass(30_000)
  }
  socket.write('END')
  expect(await response).toContain('headtail')
})
