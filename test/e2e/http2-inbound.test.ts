import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import {
  type ClientHttp2Session,
  connect,
  createServer as createHttp2Server,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { portOf, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

test('a request with prior knowledge is forwarded', async () => {
  const upstream = await startServer((req, res) => {
    res.setHeader('x-seen', `${req.method} ${req.url} ${req.httpVersion} ${req.headers.host}`)
    res.end('hello')
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const response = await request(openSession(sidecar.proxyUrl), { ':path': '/a?b' })
  expect(response.headers[':status']).toBe(200)
  expect(response.headers['x-seen']).toBe(`GET /a?b 1.1 ${new URL(upstream).host}`)
  expect(response.body).toBe('hello')
})

test('a request body and its trailer section are forwarded', async () => {
  const upstream = await startServer((req, res) => {
    let body = ''
    req.on('data', (chunk: Buffer) => void (body += chunk.toString()))
    req.on('end', () => {
      res.setHeader('trailer', 'x-checksum')
      res.write(body)
      res.addTrailers({ 'x-checksum': String(req.trailers['x-checksum']) })
      res.end()
    })
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const session = openSession(sidecar.proxyUrl)
  const stream = session.request(
    { ':method': 'POST', trailer: 'x-checksum' },
    { waitForTrailers: true },
  )
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'abc' }))
  const trailers = once(stream, 'trailers')
  stream.end('content')
  let body = ''
  stream.on('data', (chunk: Buffer) => void (body += chunk.toString()))
  await once(stream, 'end')
  expect(body).toBe('content')
  expect((await trailers)[0]).toMatchObject({ 'x-checksum': 'abc' })
})

test.for([
  { upstream: 'HTTP/1.1', http2: 'never' },
  { upstream: 'HTTP/2', http2: 'always' },
])(
  'an announced trailer section behind a Content-Length is forwarded to an $upstream server, without the length',
  async ({ http2 }) => {
    const received: unknown[] = []
    const server = http2 === 'always' ? createHttp2Server() : createHttpServer()
    server.on('request', (req: IncomingMessage, res: ServerResponse) => {
      void text(req).then((body) => {
        const { trailer, 'content-length': length, 'transfer-encoding': coding } = req.headers
        received.push({ trailer, length, coding, body, checksum: req.trailers['x-checksum'] })
        res.end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const sidecar = await startSidecar(
      forwardConfig(`http://127.0.0.1:${portOf(server)}`, `http2: ${http2}`),
    )
    const send = async (headers: OutgoingHttpHeaders): Promise<void> => {
      const stream = openSession(sidecar.proxyUrl).request(
        { ':method': 'POST', 'content-length': 7, ...headers },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'abc' }))
      stream.end('content')
      stream.resume()
      await once(stream, 'end')
    }
    await send({ trailer: 'x-checksum' })
    await send({})
    await until(() => received.length === 2)
    const coding = http2 === 'never' ? 'chunked' : undefined
    expect(received).toEqual([
      { trailer: 'x-checksum', length: undefined, coding, body: 'content', checksum: 'abc' },
      // It is discarded where it is not announced (RFC 9110 section 6.5).
      { trailer: undefined, length: '7', coding: undefined, body: 'content', checksum: undefined },
    ])
    await sidecar.close()
  },
)

function openSession(origin: string): ClientHttp2Session {
  const session = connect(origin)
  onTestFinished(() => session.destroy())
  session.on('error', () => {})
  return session
}

async function request(session: ClientHttp2Session, headers: OutgoingHttpHeaders) {
  const stream = session.request(headers)
  let body = ''
  stream.on('data', (chunk: Buffer) => void (body += chunk.toString()))
  const [received] = await once(stream, 'response')
  await once(stream, 'end')
  return { headers: received, body }
}
