import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createServer, type SecureVersion } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { portOf } from '../helpers/servers.ts'
import { startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const METHODS = ['GET', 'POST'] as const
const CLOSE_DELIMITED = 'HTTP/1.1 200 OK\r\n\r\nto the end'
const DELIMITED = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const COMPLETE = /^HTTP\/1\.1 200 OK\r\n[^]*to the end\r\n0\r\n\r\n$/

/**
 * A sidecar in front of a TLS server. The response to `/delimited` has a Content-Length (`/delimited/both`
 * waits for two requests); any other is close-delimited, with a close_notify alert for `/announced`.
 */
async function startPair(version: SecureVersion = 'TLSv1.3', route = '') {
  const authority = await createAuthority()
  const { certificate: cert, key } = await authority.issue('localhost', ['localhost'])
  const requests: string[] = []
  const tcpSockets: Socket[] = []
  const waiting: Socket[] = []
  const server = createServer({ cert, key, minVersion: version, maxVersion: version })
  server.on('connection', (socket: Socket) => tcpSockets.push(socket))
  server.on('secureConnection', (socket) => {
    const tcp = tcpSockets.at(-1)
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: Buffer) => {
      const [line = ''] = data.toString('latin1').split('\r\n')
      requests.push(line)
      if (line.includes('/delimited/both')) {
        waiting.push(socket)
        if (waiting.length === 2) for (const each of waiting) each.write(DELIMITED)
      } else if (line.includes('/delimited')) socket.write(DELIMITED)
      else {
        socket.write(CLOSE_DELIMITED, () => {
          if (line.includes('/announced')) socket.end()
          else tcp?.end()
        })
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of tcpSockets) socket.destroy()
    server.close()
  })
  const ca = join(await temporaryDirectory(), 'ca.pem')
  await writeFile(ca, authority.certificate)
  const upstream = `https://localhost:${portOf(server)}`
  const sidecar = await startSidecar(
    forwardConfig(upstream, `tls: { ca: { file: ${ca} } }\n${route}`),
  )
  const send = async (method: string, target: string): Promise<string> =>
    await exchangeRaw(
      sidecar.proxyUrl,
      `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    )
  return { send, requests }
}

for (const version of VERSIONS) {
  for (const method of METHODS) {
    test(`${version}: a ${method} gets the complete close-delimited response with a close_notify`, async () => {
      const { send, requests } = await startPair(version)
      expect(await send(method, '/announced')).toMatch(COMPLETE)
      expect(requests).toHaveLength(1)
    })

    test(`${version}: a close-delimited response to a ${method} without a close_notify is truncated`, async () => {
      const { send, requests } = await startPair(version)
      const received = await send(method, '/unannounced')
      expect(received).toContain('to the end')
      expect(received).not.toMatch(COMPLETE)
      expect(requests).toHaveLength(1)
    })
  }

  test(`${version}: a response with a Content-Length is complete with or without a close_notify`, async () => {
    const { send } = await startPair(version)
    expect(await send('GET', '/delimited')).toMatch(/\r\n\r\nok$/)
  })
}

/** Leaves two idle connections; the end of one of them cannot be verified. */
async function openTwoConnections(
  send: (method: string, target: string) => Promise<string>,
): Promise<void> {
  await send('GET', '/delimited')
  await Promise.all([send('GET', '/delimited/both'), send('GET', '/delimited/both')])
}

test('a GET whose response lacks a close_notify is retried once', async () => {
  const { send, requests } = await startPair()
  await openTwoConnections(send)
  requests.length = 0
  const responses = await Promise.all([send('GET', '/announced/1'), send('GET', '/announced/2')])
  for (const response of responses) expect(response).toMatch(COMPLETE)
  expect(requests).toHaveLength(3)
  expect(await send('GET', '/unannounced')).not.toMatch(COMPLETE)
  expect(await send('POST', '/announced')).toMatch(COMPLETE)
})

test('the response to a POST without a close_notify is truncated', async () => {
  const { send, requests } = await startPair()
  await openTwoConnections(send)
  requests.length = 0
  const responses = await Promise.all([
    send('POST', '/unannounced/1'),
    send('POST', '/unannounced/2'),
  ])
  for (const response of responses) expect(response).not.toMatch(COMPLETE)
  expect(requests).toHaveLength(2)
})

test('without retries, the response to a GET without a close_notify is truncated', async () => {
  const { send, requests } = await startPair('TLSv1.3', 'retry: false')
  await openTwoConnections(send)
  requests.length = 0
  const responses = await Promise.all([
    send('GET', '/unannounced/1'),
    send('GET', '/unannounced/2'),
  ])
  for (const response of responses) expect(response).not.toMatch(COMPLETE)
  expect(requests).toHaveLength(2)
})
