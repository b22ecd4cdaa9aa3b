import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import {
  dataFrame,
  ERROR,
  FLAG,
  FRAME,
  type FrameClient,
  headersFrame,
  openFrameClient,
  requestFields,
  resetFrame,
  settingsFrame,
  valueOf,
  windowUpdateFrame,
} from '../helpers/http2-frames.ts'
import { metric } from '../helpers/metrics.ts'
import { portOf, startListening } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const INITIAL_WINDOW_SIZE = 4

test('an empty response is one HEADERS frame', async () => {
  const { client } = await start((_req, res) => void res.writeHead(200, { 'x-a': 'b' }).end())
  client.send(headersFrame(1, requestFields()))
  expect((await client.response(1)).last).toEqual({ type: FRAME.HEADERS, flags: 5 })
})

test('an empty chunked response ends without a trailer section', async () => {
  const { client } = await start((_req, res) => {
    res.flushHeaders()
    res.end()
  })
  client.send(headersFrame(1, requestFields()))
  const { sections, content } = await client.response(1)
  expect([sections.length, content.length]).toEqual([1, 0])
})

test('a small response ends with its DATA frame', async () => {
  const { client } = await start((_req, res) => void res.end('hello'))
  client.send(headersFrame(1, requestFields()))
  const { last, content } = await client.response(1)
  expect([last, content.toString()]).toEqual([{ type: FRAME.DATA, flags: 1 }, 'hello'])
})

test.for([
  { method: 'HEAD', status: 200, fields: { 'content-length': '5' } },
  { method: 'GET', status: 204, fields: {} },
  { method: 'GET', status: 205, fields: {} },
  { method: 'GET', status: 304, fields: { etag: '"a"' } },
])('the response $status to $method has no content', async ({ method, status, fields }) => {
  const { client } = await start((_req, res) => void res.writeHead(status, fields).end())
  client.send(headersFrame(1, requestFields([], { method })))
  const { sections, last, content } = await client.response(1)
  expect(valueOf(sections[0], ':status')).toBe(String(status))
  expect([last, content.length]).toEqual([{ type: FRAME.HEADERS, flags: 5 }, 0])
})

test('an error response to HEAD has no content', async () => {
  const { client } = await start(() => {}, 'http://127.0.0.1:1')
  client.send(headersFrame(1, requestFields([], { method: 'HEAD' })))
  const { sections, last } = await client.response(1)
  expect(valueOf(sections[0], ':status')).toBe('502')
  expect(last).toEqual({ type: FRAME.HEADERS, flags: 5 })
})

test('a response trailer section is forwarded', async () => {
  const { client } = await start((_req, res) => {
    res.writeHead(200, { trailer: 'x-sum' }).write('abc')
    res.addTrailers([
      ['x-sum', '1'],
      ['x-sum', '2'],
      ['content-length', '3'],
    ])
    res.end()
  })
  client.send(headersFrame(1, requestFields(['te', 'trailers'])))
  const { sections, last } = await client.response(1)
  expect(sections[1]).toEqual(['x-sum', '1', 'x-sum', '2'])
  expect(last).toEqual({ type: FRAME.HEADERS, flags: 5 })
})

test('interim responses are forwarded before the response', async () => {
  const { client } = await start((_req, res) => {
    res.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.css>; rel=preload'] })
    res.end('done')
  })
  client.send(headersFrame(1, requestFields()))
  const { sections } = await client.response(1)
  expect(sections.map((section) => valueOf(section, ':status'))).toEqual(['103', '200'])
})

test('100 (Continue) is sent to a client that expects it', async () => {
  const { client } = await start((req, res) => {
    req.resume().on('end', () => void res.end('done'))
  })
  const fields = requestFields(['expect', '100-continue', 'content-length', '3'], {
    method: 'POST',
  })
  client.send(headersFrame(1, fields, FLAG.END_HEADERS))
  await until(() => client.stream(1).sections.length === 1)
  expect(valueOf(client.stream(1).sections[0], ':status')).toBe('100')
  client.send(dataFrame(1, 'abc', FLAG.END_STREAM))
  expect(valueOf((await client.response(1)).sections[1], ':status')).toBe('200')
})

test('the head of a response is sent before its content arrives', async () => {
  const gate = Promise.withResolvers<void>()
  const { client } = await start((_req, res) => {
    res.flushHeaders()
    void gate.promise.then(() => res.end('later'))
  })
  client.send(headersFrame(1, requestFields()))
  await until(() => client.stream(1).sections.length === 1)
  gate.resolve()
  expect((await client.response(1)).content.toString()).toBe('later')
})

test('both directions stream at the same time', async () => {
  const { client } = await start((req, res) => {
    req.on('data', (chunk: Buffer) => void res.write(`<${chunk.toString()}>`))
    req.on('end', () => void res.end('.'))
    res.flushHeaders()
  })
  client.send(headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS))
  const { stream } = client
  for (const [i, word] of ['one', 'two'].entries()) {
    client.send(dataFrame(1, word))
    await until(() => stream(1).content.toString().split('>').length === i + 2)
  }
  client.send(dataFrame(1, '', FLAG.END_STREAM))
  expect((await client.response(1)).content.toString()).toBe('<one><two>.')
})

test('a client that resets its stream cancels the upstream request', async () => {
  const closed = Promise.withResolvers<void>()
  const { client, arrived, sidecar } = await start((_req, res) => res.on('close', closed.resolve))
  client.send(headersFrame(1, requestFields()), headersFrame(3, requestFields([], { path: '/3' })))
  await arrived(2)
  client.send(resetFrame(1, ERROR.CANCEL))
  await closed.promise
  expect(
    await metric(sidecar, 'token_sidecar_request_failures_total', { code: 'client_closed' }),
  ).toBe(1)
  expect(await resets(sidecar, 'received', 'CANCEL')).toBe(1)
  expect(await metric(sidecar, 'token_sidecar_http2_streams_open', { side: 'client' })).toBe(1)
})

test('a client that resets its upload aborts the upstream request', async () => {
  const outcome = Promise.withResolvers<string>()
  const { client, arrived } = await start((req) => {
    req.on('end', () => outcome.resolve('complete'))
    req.on('error', () => outcome.resolve('aborted'))
    req.resume()
  })
  client.send(
    headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS),
    dataFrame(1, 'abc'),
  )
  await arrived(1)
  client.send(resetFrame(1, ERROR.CANCEL))
  expect(await outcome.promise).toBe('aborted')
})

test('a truncated upstream response is reset with INTERNAL_ERROR', async () => {
  const gate = Promise.withResolvers<void>()
  const { client, sidecar } = await start((_req, res) => {
    res.writeHead(200, { 'content-length': '10' }).write('abc')
    void gate.promise.then(() => res.destroy())
  })
  client.send(headersFrame(1, requestFields()))
  await until(() => client.stream(1).content.toString() === 'abc')
  gate.resolve()
  expect(await client.response(1)).toMatchObject({
    isEnded: false,
    resetCode: ERROR.INTERNAL_ERROR,
  })
  expect(await resets(sidecar, 'sent', 'INTERNAL_ERROR')).toBe(1)
})

test('an upload is reset with NO_ERROR after an early response', async () => {
  const { client } = await start((_req, res) => void res.writeHead(413).end('too large'))
  client.send(
    headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS),
    dataFrame(1, Buffer.alloc(10_000)),
  )
  const response = await client.response(1)
  expect(valueOf(response.sections[0], ':status')).toBe('413')
  expect(response.content.toString()).toBe('too large')
  await until(() => response.resetCode !== undefined)
  expect(response.resetCode).toBe(ERROR.NO_ERROR)
})

test('a complete request is not reset after its response', async () => {
  const { client } = await start((req, res) => {
    req.resume().on('end', () => void res.end('done'))
  })
  for (const id of [1, 3, 5]) {
    client.send(
      headersFrame(id, requestFields([], { method: 'POST' }), FLAG.END_HEADERS),
      dataFrame(id, 'abc', FLAG.END_STREAM),
    )
    await client.response(id)
  }
  client.send(headersFrame(7, requestFields()))
  await client.response(7)
  expect(client.frames.filter(({ type }) => type === FRAME.RST_STREAM)).toEqual([])
})

test('a stream whose response is not read does not block other streams', async () => {
  const { client } = await start((req, res) => {
    res.end(req.url === '/large' ? Buffer.alloc(4 * 1024 * 1024) : 'small')
  })
  for (let id = 1; id < 40; id += 2) {
    client.send(headersFrame(id, requestFields([], { path: '/large' })))
  }
  await until(() => client.stream(1).content.length > 1_000)
  // The connection window is exhausted by now.
  client.send(windowUpdateFrame(0, 100_000_000), headersFrame(41, requestFields()))
  expect((await client.response(41)).content.toString()).toBe('small')
})

test('a stream whose content the upstream does not read does not block other streams', async () => {
  const { client } = await start((req, res) => {
    if (req.url === '/stalled') req.pause()
    else req.resume().on('end', () => void res.end('read'))
  })
  const window = await offeredWindow(client)
  expect(window).toBeGreaterThanOrEqual(1024 * 1024)
  const chunk = Buffer.alloc(16_384)
  for (let id = 1; id < 20; id += 2) {
    client.send(postHead(id, '/stalled'))
    for (let sent = 0; sent < window; sent += chunk.length) client.send(dataFrame(id, chunk))
  }
  client.send(postHead(21, '/'), dataFrame(21, chunk), dataFrame(21, chunk, FLAG.END_STREAM))
  expect((await client.response(21)).content.toString()).toBe('read')
})

test('content is read from the client only as fast as the upstream reads it', async () => {
  const gate = Promise.withResolvers<void>()
  let received = 0
  const { client } = await start((req, res) => {
    if (req.method === 'GET') {
      res.end()
      return
    }
    void gate.promise.then(() => {
      req.on('data', (chunk: Buffer) => void (received += chunk.length))
      req.on('end', () => void res.end('read'))
    })
  })
  const window = await offeredWindow(client)
  client.send(headersFrame(1, requestFields([], { method: 'POST' }), FLAG.END_HEADERS))
  const chunk = Buffer.alloc(16_384)
  const size = 64 * window
  let sent = 0
  const windowBytes = () =>
    client.frames
      .filter(({ type, streamId }) => type === FRAME.WINDOW_UPDATE && streamId === 1)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(), window)
  const sendWithinWindow = (): void => {
    for (; sent < size && sent + chunk.length <= windowBytes(); sent += chunk.length) {
      client.send(dataFrame(1, chunk))
    }
  }
  // The operating system buffers some octets; another request shows that all of them have been processed.
  let quietRounds = 0
  for (let id = 3; quietRounds < 5; id += 2) {
    const before = sent
    sendWithinWindow()
    quietRounds = before === sent ? quietRounds + 1 : 0
    client.send(headersFrame(id, requestFields()))
    await client.response(id)
  }
  expect(sent).toBeLessThan(size)
  gate.resolve()
  await until(() => {
    sendWithinWindow()
    return sent === size
  })
  client.send(dataFrame(1, '', FLAG.END_STREAM))
  await client.response(1)
  expect(received).toBe(size)
})

test('chunks of several streams that arrive together are forwarded unchanged', async () => {
  const { client } = await start((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => void chunks.push(chunk))
    req.on('end', () => {
      const content = Buffer.concat(chunks)
      res.end(String(content.every((octet) => octet === Number(req.headers['x-octet']))))
    })
  })
  const ids = [1, 3, 5, 7, 9]
  for (const id of ids) {
    const fields = requestFields(['x-octet', String(id)], { method: 'POST' })
    client.send(headersFrame(id, fields, FLAG.END_HEADERS))
  }
  for (let round = 0; round < 30; round += 1) {
    client.send(...ids.map((id) => dataFrame(id, Buffer.alloc(12_000, id))))
  }
  client.send(...ids.map((id) => dataFrame(id, '', FLAG.END_STREAM)))
  for (const id of ids) {
    expect((await client.response(id)).content.toString()).toBe('true')
  }
})

test('CONNECT opens a tunnel on a stream, with half-close in both directions', async () => {
  const peer = createTcpServer({ allowHalfOpen: true }, (socket) => {
    socket.write('hello ')
    socket.on('data', (chunk: Buffer) => void socket.write(chunk))
    socket.on('end', () => void socket.end(' bye'))
  })
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  onTestFinished(() => void peer.close())
  const { client, sidecar } = await start(() => {}, undefined, 'forward: pass')
  const authority = `127.0.0.1:${portOf(peer)}`
  client.send(
    headersFrame(1, [':method', 'CONNECT', ':authority', authority], FLAG.END_HEADERS),
    dataFrame(1, 'echo'),
  )
  await until(() => client.stream(1).content.toString() === 'hello echo')
  expect(valueOf(client.stream(1).sections[0], ':status')).toBe('200')
  client.send(dataFrame(1, '', FLAG.END_STREAM))
  expect((await client.response(1)).content.toString()).toBe('hello echo bye')
  await until(async () => (await metric(sidecar, 'token_sidecar_tunnels_open', {})) === 0)
})

test('a tunnel whose other side resets the connection is reset with CONNECT_ERROR', async () => {
  const peer = createTcpServer((socket) => {
    socket.on('data', () => void socket.resetAndDestroy())
  })
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  onTestFinished(() => void peer.close())
  const { client } = await start(() => {}, undefined, 'forward: pass')
  const authority = `127.0.0.1:${portOf(peer)}`
  client.send(
    headersFrame(1, [':method', 'CONNECT', ':authority', authority], FLAG.END_HEADERS),
    dataFrame(1, 'a'),
  )
  expect(await client.response(1)).toMatchObject({
    isEnded: false,
    resetCode: ERROR.CONNECT_ERROR,
  })
})

test('CONNECT is rejected without forward: pass', async () => {
  const { client } = await start(() => {})
  client.send(
    headersFrame(1, [':method', 'CONNECT', ':authority', 'a.example:443'], FLAG.END_HEADERS),
  )
  const { sections, content } = await client.response(1)
  expect(valueOf(sections[0], ':status')).toBe('403')
  expect(content.toString()).toContain('egress_denied')
})

test('the access log and the metrics name the protocol', async () => {
  const { client, sidecar } = await start((_req, res) => void res.end())
  client.send(headersFrame(1, requestFields()))
  await client.response(1)
  await (await fetch(sidecar.proxyUrl)).text()
  const count = async (protocol: string) =>
    await metric(sidecar, 'token_sidecar_inbound_requests_total', { protocol })
  expect(await Promise.all(['h2', 'http/1.1', 'http/1.0'].map(count))).toEqual([1, 1, 0])
  expect(await sidecar.logs()).toContain('"protocol":"h2"')
})

function postHead(id: number, path: string): Buffer {
  return headersFrame(id, requestFields([], { method: 'POST', path }), FLAG.END_HEADERS)
}

/** A sidecar, and a client with the default windows. */
async function start(
  handler: (req: IncomingMessage, res: ServerResponse) => unknown,
  upstream?: string,
  config = '',
) {
  let count = 0
  const server = createServer((req, res) => {
    count += 1
    req.on('error', () => {})
    handler(req, res)
  })
  const origin = upstream ?? (await startListening(server))
  const sidecar = await startSidecar(`${forwardConfig(origin)}\n${config}`)
  const client = await openFrameClient(
    sidecar.proxyUrl,
    settingsFrame([[INITIAL_WINDOW_SIZE, 65_535]]),
  )
  const arrived = async (requests: number) => await until(() => count === requests)
  return { client, sidecar, arrived }
}

/** The initial window of streams in the settings of the sidecar. */
async function offeredWindow({ frames }: FrameClient): Promise<number> {
  await until(() => frames.some(({ type }) => type === FRAME.SETTINGS))
  const payload = frames.find(({ type }) => type === FRAME.SETTINGS)?.payload ?? Buffer.alloc(0)
  for (let at = 0; at < payload.length; at += 6) {
    if (payload.readUInt16BE(at) === INITIAL_WINDOW_SIZE) return payload.readUInt32BE(at + 2)
  }
  return 65_535
}

async function resets(sidecar: RunningSidecar, direction: string, reason: string) {
  const labels = { side: 'client', direction, reason }
  return await metric(sidecar, 'token_sidecar_http2_resets_total', labels)
}
