import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw, isWholeRequest, startRawUpstream } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A connection to the sidecar, open until the test is over. */
async function dial({ proxyUrl }: RunningSidecar) {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** The lines that failed requests have left in the log. */
async function failures(sidecar: RunningSidecar): Promise<unknown[]> {
  return (await sidecar.logs())
    .split('\n')
    .filter((line) => line.includes('"message":"request failed"'))
    .map((line): unknown => JSON.parse(line))
}

test('a client that stops within its request body: request_timeout', async () => {
  const upstream = await startRawUpstream(() => {})
  const sidecar = await startSidecar(forwardConfig(upstream.origin, 'timeouts: { idle: 300ms }'))
  const answer = await exchangeRaw(
    sidecar.proxyUrl,
    'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nhalf',
  )
  expect(answer).toMatch(/^HTTP\/1.1 408 /)
  expect(answer).toContain('"code":"request_timeout"')
  expect(answer).toContain('the rest of the request body does not arrive')
})

test('an upload that makes progress may take longer than any limit', async () => {
  const upstream = await startRawUpstream((received, socket) => {
    if (isWholeRequest(received)) socket.write(OK)
  })
  const sidecar = await startSidecar(
    forwardConfig(upstream.origin, 'timeouts: { idle: 700ms, response: 700ms }'),
  )
  const socket = await dial(sidecar)
  const startedAtMs = performance.now()
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n')
  let arrivedBytes = 0
  for (let sent = 0; sent < 10; sent += 1) {
    socket.write('x')
    await until(() => {
      const length = upstream.connections[0]?.received.length ?? 0
      const isNew = length > arrivedBytes && performance.now() - startedAtMs > sent * 200
      if (isNew) arrivedBytes = length
      return isNew
    })
  }
  const answer = once(socket, 'data')
  expect(String(await answer)).toMatch(/^HTTP\/1.1 200 /)
  expect(performance.now() - startedAtMs).toBeGreaterThan(1_500)
})

test('an upstream that does not read the request body: upstream_timeout', async () => {
  const upstream = await startRawUpstream((_received, socket) => void socket.pause())
  const sidecar = await startSidecar(
    forwardConfig(upstream.origin, 'timeouts: { idle: 400ms, response: 0s }'),
  )
  const length = 64 * 1024 * 1024
  const answer = await exchangeRaw(
    sidecar.proxyUrl,
    `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`,
    (soFar) => soFar.endsWith('}\n'),
  )
  expect(answer).toMatch(/^HTTP\/1.1 504 /)
  expect(answer).toContain('it does not read the request body')
})

test('a client that does not read the response is cut off, and it is told whose fault it was', async () => {
  const upstream = await startServer((_req, res) => {
    const more = (): void => {
      while (res.write('x'.repeat(65_536)));
    }
    res.on('drain', more)
    more()
  })
  const sidecar = await startSidecar(forwardConfig(upstream, 'timeouts: { idle: 400ms }'))
  const socket = await dial(sidecar)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(async () => (await failures(sidecar)).length > 0)
  expect(await failures(sidecar)).toMatchObject([
    { code: 'request_timeout', reason: expect.stringContaining('it does not read the response') },
  ])
})

test('the end of a response that nobody reads is not kept for ever', async () => {
  const upstream = await startServer((_req, res) => void res.end('x'.repeat(8_000_000)))
  const sidecar = await startSidecar(forwardConfig(upstream, 'timeouts: { idle: 400ms }'))
  const socket = await dial(sidecar)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(async () => (await failures(sidecar)).length > 0)
  expect(await failures(sidecar)).toMatchObject([{ code: 'request_timeout' }])
})

test('without limits, silence may last', async () => {
  const upstream = await startRawUpstream((received, socket) => {
    if (received.endsWith('\r\n\r\n'))
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab'), 600)
    setTimeout(() => socket.write('cd'), 1_200)
  })
  const sidecar = await startSidecar(
    forwardConfig(upstream.origin, 'timeouts: { idle: 0s, response: 0s }'),
  )
  expect(await (await fetch(sidecar.proxyUrl)).text()).toBe('abcd')
})

test('a client that does not finish its headers is told so and let go', async () => {
  const sidecar = await startSidecar(
    `limits: { headersTimeout: 300ms }\n${forwardConfig('http://127.0.0.1:1')}`,
  )
  const socket = await dial(sidecar)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow')
  const answer = await text(socket)
  expect(answer).toMatch(/^HTTP\/1.1 408 /)
  expect(answer).toContain('"code":"request_timeout"')
  const metrics = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
  expect(metrics).toContain(
    'token_sidecar_request_failures_total{route="(none)",code="request_timeout"} 1\n',
  )
})

test('nor is one that says nothing at all', async () => {
  const sidecar = await startSidecar(
    `limits: { headersTimeout: 300ms }\n${forwardConfig('http://127.0.0.1:1')}`,
  )
  const socket = await dial(sidecar)
  expect(await text(socket)).toMatch(/^(?:HTTP\/1.1 408 |$)/)
})

test('more connections than allowed get an answer that says so', async () => {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const sidecar = await startSidecar(`limits: { connections: 2 }\n${forwardConfig(upstream)}`)
  const idle = [await dial(sidecar), await dial(sidecar)]
  const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const answer = await exchangeRaw(sidecar.proxyUrl, get)
  expect(answer).toMatch(/^HTTP\/1.1 503 /)
  expect(answer).toMatch(/^Retry-After: 1\r$/m)
  expect(answer).toContain('"code":"too_many_connections"')
  for (const socket of idle) socket.destroy()
  await until(async () =>
    (await exchangeRaw(sidecar.proxyUrl, get, (soFar) => soFar.endsWith('ok'))).endsWith('ok'),
  )
})

test('an answer to an upload that is not over is read to its end, although more is sent', async () => {
  const upstream = await startRawUpstream((_received, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much')
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const socket = await dial(sidecar)
  socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n')
  const answered = once(socket, 'readable')
  const send = async (): Promise<void> => {
    for (let sent = 0; sent < 100; sent += 1) {
      if (!socket.write('x'.repeat(10_000))) await once(socket, 'drain')
    }
  }
  // Whoever is busy sending reads late. A reset would throw away what has not been read.
  await send()
  await answered
  await send()
  const answer = await text(socket)
  expect(answer).toMatch(/^HTTP\/1.1 413 Content Too Large\r\n/)
  expect(answer).toMatch(/^Connection: close\r$/m)
  expect(answer.endsWith('too much')).toBe(true)
})

test('the rest of a short request that was refused is read, and the connection kept', async () => {
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

test('a client that waits for a 100 and gets a refusal is not asked for its body any more', async () => {
  const sidecar = await startSidecar(`
routes: [{ name: orders, match: { path: /orders }, upstream: 'http://127.0.0.1:1', credential: none }]
`)
  const answer = await exchangeRaw(
    sidecar.proxyUrl,
    'POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n',
  )
  expect(answer).toMatch(/^HTTP\/1.1 404 /)
  expect(answer).toMatch(/^Connection: close\r$/m)
  // What comes now may be the body or the next request; nobody can tell.
  expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1)
})

test('requests in a row are taken a few at a time, and others are served meanwhile', async () => {
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
  // Not all of it is taken, so that what is not answered stays with whoever asked.
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

test('behind an answer that is the last one, nothing is done any more', async () => {
  const reached: string[] = []
  const upstream = await startServer((req, res) => {
    reached.push(req.url ?? '')
    res.end('ok')
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const answers = await exchangeRaw(
    sidecar.proxyUrl,
    `POST /1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  )
  expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400'])
  const closing = await exchangeRaw(
    sidecar.proxyUrl,
    `GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n${smuggled}`,
  )
  expect(closing.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200'])
  expect(reached).toEqual(['/last'])
})

test('interim responses do not extend the time limit for the response', async () => {
  const upstream = await startRawUpstream((_received, socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 50)
    socket.on('close', () => clearInterval(timer))
  })
  const sidecar = await startSidecar(
    forwardConfig(upstream.origin, 'timeouts: { response: 600ms }'),
  )
  const answer = await exchangeRaw(
    sidecar.proxyUrl,
    'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  )
  expect(answer).toMatch(/^(?:HTTP\/1.1 102 Processing\r\n\r\n)+HTTP\/1.1 504 /)
  expect(answer).toContain('no response within the time limit')
})
