import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { exchangeRaw, startRawUpstream } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** A sidecar whose tokens are new ones each time, in front of an upstream of raw bytes. */
async function startBetween(
  respond: Parameters<typeof startRawUpstream>[0],
  route = '',
  tokens: Parameters<typeof startServer>[0] = nextToken(),
) {
  const endpoint = await startServer(tokens)
  const upstream = await startRawUpstream(respond)
  const sidecar = await startSidecar(
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

test('a 401 to HEAD, whose end comes with its head, leads to a new token like any other', async () => {
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

test('a 401 to HEAD that no token helps against is passed on as it is', async () => {
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
])(
  'a 401 to $method behind which the connection ends is held as long as any: $rest',
  async (given) => {
    const issued = nextToken()
    const { promise: hasEnded, resolve } = Promise.withResolvers<void>()
    let isFirst = true
    const { sidecar } = await startBetween(
      (received, socket) => {
        if (received.includes('token-2')) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
        else socket.end(`${UNAUTHORIZED}${given.rest}`, () => resolve())
        socket.once('close', resolve)
      },
      '',
      (req, res) => {
        const answer = (): unknown => issued(req, res)
        if (isFirst) answer()
        else void hasEnded.then(() => setImmediate(answer))
        isFirst = false
      },
    )
    expect((await fetch(`${sidecar.proxyUrl}/orders`, { method: given.method })).status).toBe(204)
  },
)

test('a client that stops within its upload does not hold a 401 for ever', async () => {
  const { sidecar } = await startBetween((_received, socket) => {
    socket.write(`${UNAUTHORIZED}Content-Length: 0\r\n\r\n`)
  }, 'timeouts: { idle: 500ms }')
  const answer = await exchangeRaw(
    sidecar.proxyUrl,
    'POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nthe first part',
    (soFar) => soFar.endsWith('}\n'),
  )
  expect(answer).toMatch(/^HTTP\/1.1 408 /)
  await until(
    async () =>
      (await metric(sidecar, 'token_sidecar_requests_in_flight', { route: 'orders' })) === 0,
  )
})

test('the rest of a 401 that never comes does not keep its connection', async () => {
  const { sidecar, upstream } = await startBetween((received, socket) => {
    if (received.includes('token-2')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    else socket.write(`${UNAUTHORIZED}Content-Length: 1000\r\n\r\nabc`)
  }, 'connections: 1')
  const response = await fetch(`${sidecar.proxyUrl}/orders`)
  expect(await response.text()).toBe('ok')
  expect(upstream.connections).toHaveLength(2)
})

test('an upload that goes on while the answer has begun is not silent', async () => {
  let hasBegun = false
  const { sidecar, upstream } = await startBetween((received, socket) => {
    if (!hasBegun) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhead')
    hasBegun = true
    if (received.endsWith('END')) socket.write('tail')
  }, 'timeouts: { idle: 600ms }')
  const { hostname, port } = new URL(sidecar.proxyUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.write(
    'POST /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 11\r\n\r\n',
  )
  const startedAtMs = performance.now()
  for (let sent = 1; sent <= 8; sent += 1) {
    socket.write('x')
    await until(
      () =>
        upstream.connections[0]?.received.endsWith('x'.repeat(sent)) === true &&
        performance.now() - startedAtMs > sent * 200,
    )
  }
  socket.write('END')
  const answer = await text(socket)
  expect(answer).toContain('headtail')
})
