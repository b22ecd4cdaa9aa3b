import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startRawUpstream } from '../helpers/raw-http.ts'
import { startSidecar } from '../helpers/sidecar.ts'

/** What a client receives until the connection ends, and whether that was a FIN instead of a reset. */
async function send(
  origin: string,
  request: string,
): Promise<{ received: string; isClean: boolean }> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  let received = ''
  let isClean = true
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
  })
  socket.on('error', () => {
    isClean = false
  })
  await once(socket, 'connect')
  socket.write(request)
  await new Promise((resolve) => void socket.once('close', resolve))
  return { received, isClean }
}

const GET_1_1 = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
const GET_1_0 = 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n'

test('a truncated close-delimited response is not forwarded as a complete chunked one', async () => {
  const upstream = await startRawUpstream((_received, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nhello', () => void socket.resetAndDestroy())
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const { received } = await send(sidecar.proxyUrl, GET_1_1)
  expect(received).not.toMatch(/\r\n0\r\n\r\n$/)
})

test.for([
  ['chunked response', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
  ['close-delimited response', 'HTTP/1.1 200 OK\r\n\r\nhello'],
] as const)('an HTTP/1.0 client gets a reset if a %s is truncated', async ([, response]) => {
  const upstream = await startRawUpstream((_received, socket) => {
    socket.write(response, () => void socket.resetAndDestroy())
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  expect(await send(sidecar.proxyUrl, GET_1_0)).toMatchObject({ isClean: false })
})

test('a complete close-delimited response ends with FIN', async () => {
  const upstream = await startRawUpstream((_received, socket) => {
    socket.end('HTTP/1.1 200 OK\r\n\r\nhello')
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  const { received, isClean } = await send(sidecar.proxyUrl, GET_1_0)
  expect(received).toMatch(/\r\n\r\nhello$/)
  expect(isClean).toBe(true)
})
