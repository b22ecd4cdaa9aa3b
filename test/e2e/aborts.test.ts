import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startProgram, startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

test('a truncated response closes the connection to the client', async () => {
  const upstream = await startServer((_req, res) => {
    res.writeHead(200, { 'content-length': 100 })
    res.write('only this', () => void res.destroy())
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const response = await fetch(sidecar.proxyUrl)
  expect(response.status).toBe(200)
  await expect(response.text()).rejects.toThrow('terminated')
})

test('a truncated response on a reused connection closes the connection to the client', async () => {
  const upstream = await startServer((req, res) => {
    if (req.url === '/first') res.end('whole')
    else res.writeHead(200, { 'content-length': 100 }).write('only this', () => void res.destroy())
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const requests = ['/first', '/second'].map(
    (path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  )
  const responses = await exchangeRaw(sidecar.proxyUrl, requests.join(''))
  expect(responses).toMatch(/\r\n\r\nwholeHTTP\/1\.1 200 [^]*\r\n\r\nonly this$/)
})

test('an early response is forwarded, and the upload is aborted', async () => {
  const upstream = await startServer((_req, res) => {
    res.writeHead(413).end('too large')
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const upload = request(sidecar.proxyUrl, { method: 'PUT', agent: false })
  upload.on('error', () => {})
  const part = Buffer.alloc(64 * 1024)
  const responded = once(upload, 'response')
  const closed = once(upload, 'close')
  let hasResponse = false
  const push = (): void => {
    if (!hasResponse) upload.write(part, () => void setImmediate(push))
  }
  push()
  const [response] = await responded
  hasResponse = true
  let text = ''
  for await (const chunk of response) text += String(chunk)
  expect(response.statusCode).toBe(413)
  expect(response.headers.connection).toBe('close')
  expect(text).toBe('too large')
  upload.destroy()
  await closed
})

test('a client that disconnects during the computation of a DPoP proof causes no failure', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { token_type: 'DPoP' }),
  )
  const upstream = await startServer((req, res) => void req.resume().on('end', () => res.end('ok')))
  const program = await startProgram(
    endpointConfig({ endpoint: endpoint.url, upstream, credential: 'dpop: { algorithm: RS256 }' }),
  )
  const url = `${program.proxyUrl}/orders`
  expect((await fetch(url)).status).toBe(200)
  for (let round = 0; round < 20; round += 1) {
    const sockets = await Promise.all(Array.from({ length: 20 }, async () => await openSocket(url)))
    for (const socket of sockets) {
      socket.write('POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab')
      // A RST right after the request, which is still being processed.
      socket.resetAndDestroy()
    }
  }
  expect((await fetch(url, { method: 'POST', body: 'hello' })).status).toBe(200)
})

async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}
