import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startFrozenSidecar } from '../helpers/frozen-sidecar.ts'
import { exchangeRaw, isWholeRequest, startRawUpstream } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A connection to the sidecar, open until the end of the test. */
async function dial({ proxyUrl }: RunningSidecar) {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** The log lines of failed requests. */
async function failures(sidecar: RunningSidecar): Promise<unknown[]> {
  return (await sidecar.logs())
    .split('\n')
    .filter((line) => line.includes('"message":"request failed"'))
    .map((line): unknown => JSON.parse(line))
}

test('a client that stops in the middle of its request body gets a 408', async () => {
  const upstream = await startRawUpstream(() => {})
  const sidecar = await startFrozenSidecar(forwardConfig(upstream.origin, 'timeouts: { idle: 1m }'))
  const socket = await dial(sidecar)
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nhalf')
  await until(() => upstream.connections[0]?.received.endsWith('half') === true)
  await sidecar.pass(62_000)
  const response = await text(socket)
  expect(response).toMatch(/^HTTP\/1.1 408 /)
  expect(response).toContain('"code":"request_timeout"')
  expect(response).toContain('the rest of the request body does not arrive')
})

test('an upload that makes progress may take longer than every timeout', async () => {
  const upstream = await startRawUpstream((received, socket) => {
    if (isWholeRequest(received)) socket.write(OK)
  })
  const sidecar = await startFrozenSidecar(
    forwardConfig(upstream.origin, 'timeouts: { idle: 1m, response: 1m }'),
  )
  const socket = await dial(sidecar)
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n')
  const response = once(socket, 'data')
  for (let sent = 1; sent <= 10; sent += 1) {
    socket.write('x')
    await until(() => upstream.connections[0]?.received.endsWith('x'.repeat(sent)) === true)
    if (sent < 10) await sidecar.pass(30_000)
  }
  expect(String(await response)).toMatch(/^HTTP\/1.1 200 /)
})

test('a client gets a 504 if the upstream does not read the request body', async () => {
  const upstream = await startRawUpstream((_received, socket) => void socket.pause())
  const sidecar = await startFrozenSidecar(
    forwardConfig(upstream.origin, 'timeouts: { idle: 1m, response: 0s }'),
  )
  const length = 64 * 1024 * 1024
  const socket = await dial(sidecar)
  const response = text(socket)
  socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`)
  socket.end('x'.repeat(length))
  await until(() => upstream.connections.length > 0)
  await sidecar.pass(62_000)
  expect(await response).toMatch(/^HTTP\/1.1 504 [^]*it does not read the request body/)
})

test('a client that does not read the response is disconnected, and logged as the cause', async () => {
  const upstream = await startServer((_req, res) => {
    const more = (): void => {
      while (res.write('x'.repeat(65_536)));
    }
    res.on('drain', more)
    more()
  })
  const sidecar = await startFrozenSidecar(forwardConfig(upstream, 'timeouts: { idle: 1m }'))
  const socket = await dial(sidecar)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'readable')
  await sidecar.pass(62_000)
  await until(async () => (await failures(sidecar)).length > 0)
  expect(await failures(sidecar)).toMatchObject([
    { code: 'request_timeout', reason: expect.stringContaining('it does not read the response') },
  ])
})

test('the buffered end of a response is discarded if the client does not read it', async () => {
  const upstream = await startServer((_req, res) => void res.end('x'.repeat(8_000_000)))
  const sidecar = await startFrozenSidecar(forwardConfig(upstream, 'timeouts: { idle: 1m }'))
  const socket = await dial(sidecar)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'readable')
  await sidecar.pass(62_000)
  await until(async () => (await failures(sidecar)).length > 0)
  expect(await failures(sidecar)).toMatchObject([{ code: 'request_timeout' }])
})

test('with timeouts of 0s, a request and a response may pause without limit', async () => {
  const upstream = await startRawUpstream(() => {})
  const sidecar = await startFrozenSidecar(
    forwardConfig(upstream.origin, 'timeouts: { idle: 0s, response: 0s }'),
  )
  const socket = await dial(sidecar)
  const response = text(socket)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await until(() => upstream.connections[0]?.received.endsWith('\r\n\r\n') === true)
  const [connection] = upstream.connections
  await sidecar.pass(600_000)
  connection?.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab')
  await sidecar.pass(600_000)
  connection?.socket.write('cd')
  expect(await response).toMatch(/^HTTP\/1.1 200 [^]*\r\n\r\nabcd$/)
})

test('a client that does not complete its headers gets a 408 and is disconnected', async () => {
  const sidecar = await startSidecar(
    `limits: { headersTimeout: 300ms }\n${forwardConfig('http://127.0.0.1:1')}`,
  )
  const socket = await dial(sidecar)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow')
  const response = await text(socket)
  expect(response).toMatch(/^HTTP\/1.1 408 /)
  expect(response).toContain('"code":"request_timeout"')
  const metrics = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
  expect(metrics).toContain(
    'token_sidecar_request_failures_total{route="(none)",code="request_timeout"} 1\n',
  )
})

test('a client that sends nothing is disconnected after the headers timeout', async () => {
  const sidecar = await startSidecar(
    `limits: { headersTimeout: 300ms }\n${forwardConfig('http://127.0.0.1:1')}`,
  )
  const socket = await dial(sidecar)
  expect(await text(socket)).toMatch(/^(?:HTTP\/1.1 408 |$)/)
})

test('a connection above the connection limit gets a 503', async () => {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(`limits: { connections: 2 }\n${forwardConfig(upstream)}`)
  const idle = [await dial(sidecar), await dial(sidecar)]
  const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const response = await exchangeRaw(sidecar.proxyUrl, get)
  expect(response).toMatch(/^HTTP\/1.1 503 /)
  expect(response).toMatch(/^Retry-After: 1\r$/m)
  expect(response).toContain('"code":"too_many_connections"')
  for (const socket of idle) socket.destroy()
  await until(async () =>
    (await exchangeRaw(sidecar.proxyUrl, get, (soFar) => soFar.endsWith('ok'))).endsWith('ok'),
  )
})

test('a client that is still uploading can read an early response completely', async () => {
  const upstream = await startRawUpstream((_received, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much')
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const socket = await dial(sidecar)
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n')
  const responded = once(socket, 'readable')
  const send = async (): Promise<void> => {
    for (let sent = 0; sent < 100; sent += 1) {
      if (!socket.write('x'.repeat(10_000))) await once(socket, 'drain')
    }
  }
  // The client reads only after sending; a reset would discard what it has not read yet.
  await send()
  await responded
  await send()
  const response = await text(socket)
  expect(response).toMatch(/^HTTP\/1.1 413 Content Too Large\r\n/)
  expect(response).toMatch(/^Connection: close\r$/m)
  expect(response.endsWith('too much')).toBe(true)
})

test('the rest of a short rejected request is read, and its connection is reused', async () => {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(`
routes: [{ name: orders, match: { path: /orders }, upstream: '${upstream}', credential: none }]
`)
  const socket = await dial(sidecar)
  socket.write('POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc')
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 404 /)
  socket.write('defGET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n')
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /)
})

test('a rejected request with "Expect: 100-continue" gets no 100, and its connection is closed', async () => {
  const sidecar = await startSidecar(`
routes: [{ name: orders, match: { path: /orders }, upstream: 'http://127.0.0.1:1', credential: none }]
`)
  const response = await exchangeRaw(
    sidecar.proxyUrl,
    'POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n',
  )
  expect(response).toMatch(/^HTTP\/1.1 404 /)
  expect(response).toMatch(/^Connection: close\r$/m)
  // What follows could be the body or the next request.
  expect(response.match(/HTTP\/1.1/g)).toHaveLength(1)
})

test('pipelined requests are limited by backpressure, and other clients are served meanwhile', async () => {
  const gate = Promise.withResolvers<void>()
  const upstream = await startServer((req, res) => {
    if (req.url === '/first') void gate.promise.then(() => res.end('ok'))
    else res.end('ok')
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const socket = await dial(sidecar)
  const count = 3_000
  const filling = 'x'.repeat(8_000)
  const rest = `GET /rest HTTP/1.1\r\nHost: localhost\r\nX-Filling: ${filling}\r\n\r\n`.repeat(
    count,
  )
  socket.write('GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n')
  // The sidecar stops reading, so the rest stays in the buffer of the client.
  expect(socket.write(rest)).toBe(false)
  for (let others = 0; others < 200; others += 1) {
    expect(await (await fetch(sidecar.proxyUrl)).text()).toBe('ok')
  }
  expect(socket.writableLength).toBeGreaterThan(0)
  gate.resolve()
  let received = 0
  for await (const chunk of socket) {
    received += String(chunk).split('HTTP/1.1 200').length - 1
    if (received >= count) break
  }
  expect(received).toBeGreaterThanOrEqual(count)
})

test('bytes after a rejected request or after Connection: close are not processed', async () => {
  const reached: string[] = []
  const upstream = await startServer((req, res) => {
    reached.push(req.url ?? '')
    res.end('ok')
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const responses = await exchangeRaw(
    sidecar.proxyUrl,
    `POST /1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  )
  expect(responses.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400'])
  const closing = await exchangeRaw(
    sidecar.proxyUrl,
    `GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n${smuggled}`,
  )
  expect(closing.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200'])
  expect(reached).toEqual(['/last'])
})

test('interim responses do not extend the response timeout', async () => {
  const upstream = await startRawUpstream(() => {})
  const sidecar = await startFrozenSidecar(
    forwardConfig(upstream.origin, 'timeouts: { response: 1m }'),
  )
  const socket = await dial(sidecar)
  const response = text(socket)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await until(() => upstream.connections[0]?.received.endsWith('\r\n\r\n') === true)
  for (let sent = 0; sent < 3; sent += 1) {
    upstream.connections[0]?.socket.write('HTTP/1.1 102 Processing\r\n\r\n')
    await sidecar.pass(19_000)
  }
  await sidecar.pass(5_000)
  expect(await response).toMatch(/^(?:HTTP\/1.1 102 Processing\r\n\r\n){3}HTTP\/1.1 504 /)
  expect(await response).toContain('no response within the time limit')
})
