import { once } from 'node:events'
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

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
