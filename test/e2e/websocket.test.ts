import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as HttpsServer } from 'node:https'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createAuthority } from '../helpers/certificates.ts'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { metric } from '../helpers/metrics.ts'
import { portOf, startListening } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const MAX_MESSAGE_BYTES = 16 * 1024 ** 2

/** A WebSocket echo server that records handshakes. */
async function startEcho(server: Server | HttpsServer = createServer()) {
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: { threshold: 0 },
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
  })
  const handshakes: { readonly authorization: string | undefined; readonly extensions: string }[] =
    []
  sockets.on('connection', (socket, request) => {
    handshakes.push({
      authorization: request.headers.authorization,
      extensions: socket.extensions,
    })
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const origin = await startListening(server)
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate()
  })
  return { origin, handshakes, clients: sockets.clients }
}

function open(url: string, protocols: string[] = [], options = {}): WebSocket {
  const socket = new WebSocket(url.replace('http:', 'ws:'), protocols, {
    maxPayload: MAX_MESSAGE_BYTES,
    ...options,
  })
  onTestFinished(() => socket.terminate())
  return socket
}

/** Sends a message, and returns its echo. */
async function echoOf(socket: WebSocket, message: string | Buffer) {
  const responded = once(socket, 'message')
  socket.send(message)
  const [data, isBinary]: unknown[] = await responded
  return { data: Buffer.isBuffer(data) ? data : Buffer.alloc(0), isBinary }
}

test('a WebSocket carries messages, with the token in its handshake', async () => {
  const upstream = await startEcho()
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN' }),
  )
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: upstream.origin }),
  )
  const socket = open(`${sidecar.proxyUrl}/orders`, ['chat.v1', 'chat.v2'])
  await once(socket, 'open')
  expect(socket.protocol).toBe('chat.v2')
  expect(socket.extensions).toBe('permessage-deflate')
  expect(upstream.handshakes).toEqual([
    { authorization: 'Bearer TOKEN', extensions: 'permessage-deflate' },
  ])
  for (let round = 0; round < 20; round += 1) {
    const text = `message ${round} ${'ä'.repeat(round * 100)}`
    expect(await echoOf(socket, text)).toEqual({ data: Buffer.from(text), isBinary: false })
    const bytes = randomBytes(round * 1000)
    expect(await echoOf(socket, bytes)).toEqual({ data: bytes, isBinary: true })
  }
  const closed = once(socket, 'close')
  socket.close(4001, 'that was all')
  const [code, reason]: unknown[] = await closed
  expect(code).toBe(4001)
  expect(String(reason)).toBe('that was all')
  await until(
    async () => (await metric(sidecar, 'token_sidecar_tunnels_open', { route: 'orders' })) === 0,
  )
})

test('a plaintext WebSocket is forwarded over TLS', async () => {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('localhost', ['localhost'])
  const server = createTlsServer({ cert: certificate, key })
  const upstream = await startEcho(server)
  const ca = await fileWith(authority.certificate)
  const sidecar = await startSidecar(
    forwardConfig(`https://localhost:${portOf(server)}`, `tls: { ca: { file: ${ca} } }`),
  )
  const socket = open(sidecar.proxyUrl)
  await once(socket, 'open')
  const message = randomBytes(1024 ** 2)
  expect((await echoOf(socket, message)).data.equals(message)).toBe(true)
  const other = open(sidecar.proxyUrl)
  await once(other, 'open')
  socket.close()
  await once(socket, 'close')
  for (const client of upstream.clients) client.terminate()
  await once(other, 'close')
  await until(
    async () => (await metric(sidecar, 'token_sidecar_tunnels_open', { route: 'all' })) === 0,
  )
})

test('a WebSocket carries a message of 16 MiB', async () => {
  const upstream = await startEcho()
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const socket = open(sidecar.proxyUrl, [], { perMessageDeflate: false })
  await once(socket, 'open')
  const message = randomBytes(MAX_MESSAGE_BYTES)
  const { data } = await echoOf(socket, message)
  expect(data.equals(message)).toBe(true)
})

test('100 concurrent WebSockets are closed without a leak', async () => {
  const upstream = await startEcho()
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const sockets = Array.from({ length: 100 }, () => open(sidecar.proxyUrl))
  await Promise.all(
    sockets.map(async (socket, index) => {
      await once(socket, 'open')
      expect((await echoOf(socket, `from ${index}`)).data.toString()).toBe(`from ${index}`)
    }),
  )
  expect(await metric(sidecar, 'token_sidecar_tunnels_open', { route: 'all' })).toBe(100)
  for (const [index, socket] of sockets.entries()) {
    if (index % 2 === 0) socket.close()
    else socket.terminate()
  }
  await until(
    async () => (await metric(sidecar, 'token_sidecar_tunnels_open', { route: 'all' })) === 0,
  )
  expect(upstream.clients.size).toBe(0)
})

test('a WebSocket of a web page of another origin is rejected', async () => {
  const upstream = await startEcho()
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const socket = open(sidecar.proxyUrl, [], { origin: 'https://elsewhere.example' })
  const [error]: unknown[] = await once(socket, 'error')
  expect(String(error)).toContain('403')
  expect(upstream.handshakes).toHaveLength(0)
})
