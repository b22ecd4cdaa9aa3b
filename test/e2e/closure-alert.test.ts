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
const ENDS_WITH_CONNECTION = 'HTTP/1.1 200 OK\r\n\r\nto the end'
const DELIMITED = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const WHOLE = /^HTTP\/1\.1 200 OK\r\n[^]*to the end\r\n0\r\n\r\n$/

/**
 * A sidecar before a TLS server that answers `/delimited` with a length (`/delimited/both` when there are
 * two such requests), and anything else with a body that ends with the connection; with or without a
 * closure alert, as the target says.
 */
async function startPair(version: SecureVersion = 'TLSv1.3', route = '') {
  const authority = await createAuthority()
  const { certificate: cert, key } = await authority.issue('localhost', ['localhost'])
  const requests: string[] = []
  const below: Socket[] = []
  const held: Socket[] = []
  const server = createServer({ cert, key, minVersion: version, maxVersion: version })
  server.on('connection', (socket: Socket) => below.push(socket))
  server.on('secureConnection', (socket) => {
    const tcp = below.at(-1)
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: Buffer) => {
      const [line = ''] = data.toString('latin1').split('\r\n')
      requests.push(line)
      if (line.includes('/delimited/both')) {
        held.push(socket)
        if (held.length === 2) for (const each of held) each.write(DELIMITED)
      } else if (line.includes('/delimited')) socket.write(DELIMITED)
      else {
        socket.write(ENDS_WITH_CONNECTION, () => {
          if (line.includes('/announced')) socket.end()
          else tcp?.end()
        })
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of below) socket.destroy()
    server.close()
  })
  const ca = join(await temporaryDirectory(), 'ca.pem')
  await writeFile(ca, authority.certificate)
  const upstream = `https://localhost:${portOf(server)}`
  const sidecar = await startSidecar(
    forwardConfig(upstream, `tls: { ca: { file: ${ca} } }\n${route}`),
  )
  const ask = async (method: string, target: string): Promise<string> =>
    await exchangeRaw(
      sidecar.proxyUrl,
      `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    )
  return { ask, requests }
}

for (const version of VERSIONS) {
  for (const method of METHODS) {
    test(`${version}: a ${method} gets the whole response when its end is announced`, async () => {
      const { ask, requests } = await startPair(version)
      expect(await ask(method, '/announced')).toMatch(WHOLE)
      expect(requests).toHaveLength(1)
    })

    test(`${version}: the response to a ${method} is cut when its end is not announced`, async () => {
      const { ask, requests } = await startPair(version)
      const received = await ask(method, '/unannounced')
      expect(received).toContain('to the end')
      expect(received).not.toMatch(WHOLE)
      expect(requests).toHaveLength(1)
    })
  }

  test(`${version}: a response with a Content-Length is complete with or without a close_notify`, async () => {
    const { ask } = await startPair(version)
    expect(await ask('GET', '/delimited')).toMatch(/\r\n\r\nok$/)
  })
}

/** After this there are two idle connections, and the end of one of them cannot be verified. */
async function openBoth(ask: (method: string, target: string) => Promise<string>): Promise<void> {
  await ask('GET', '/delimited')
  await Promise.all([ask('GET', '/delimited/both'), ask('GET', '/delimited/both')])
}

test('a GET whose response lacks a close_notify is retried once', async () => {
  const { ask, requests } = await startPair()
  await openBoth(ask)
  requests.length = 0
  const answers = await Promise.all([ask('GET', '/announced/1'), ask('GET', '/announced/2')])
  for (const answer of answers) expect(answer).toMatch(WHOLE)
  expect(requests).toHaveLength(3)
  expect(await ask('GET', '/unannounced')).not.toMatch(WHOLE)
  expect(await ask('POST', '/announced')).toMatch(WHOLE)
})

test('the response to a POST without a close_notify is truncated', async () => {
  const { ask, requests } = await startPair()
  await openBoth(ask)
  requests.length = 0
  const answers = await Promise.all([ask('POST', '/unannounced/1'), ask('POST', '/unannounced/2')])
  for (const answer of answers) expect(answer).not.toMatch(WHOLE)
  expect(requests).toHaveLength(2)
})

test('without retries, the response to a GET without a close_notify is truncated', async () => {
  const { ask, requests } = await startPair('TLSv1.3', 'retry: false')
  await openBoth(ask)
  requests.length = 0
  const answers = await Promise.all([ask('GET', '/unannounced/1'), ask('GET', '/unannounced/2')])
  for (const answer of answers) expect(answer).not.toMatch(WHOLE)
  expect(requests).toHaveLength(2)
})
