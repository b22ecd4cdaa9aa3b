import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { writeConfig } from '../helpers/cli.ts'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { openRaw } from '../helpers/raw-connection.ts'
import { startProgram, startProgramAt } from '../helpers/sidecar.ts'
import { handshake, startSwitchingServer, SWITCHING } from '../helpers/switching-server.ts'
import { startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** Opens a connection without a request, which could be accepted just before the listener closes. */
async function isListening(origin: string): Promise<boolean> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

test('SIGTERM completes requests in flight, closes the listener and exits with 0', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const upstream = await startServer((_req, res) => {
    arrived += 1
    void gate.promise.then(() => res.end('finished'))
  })
  const program = await startProgram(forwardConfig(upstream))
  const running = fetch(program.proxyUrl)
  await until(() => arrived === 1)

  const stopped = program.stop()
  await until(async () => !(await isListening(program.proxyUrl)))
  gate.resolve()
  expect(await (await running).text()).toBe('finished')
  expect((await stopped).code).toBe(0)
  expect(program.output()).toContain('"message":"stopped"')
})

test('an idle keep-alive connection does not delay the exit', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const upstream = await startServer((_req, res) => {
    arrived += 1
    void gate.promise.then(() => res.end('finished'))
  })
  const program = await startProgram(`${forwardConfig(upstream)}\nshutdown: { deadline: 60s }`)
  const agent = new Agent({ keepAlive: true })
  const sent = request(program.proxyUrl, { agent }).end()
  const responded = once(sent, 'response')
  await until(() => arrived === 1)
  const stopped = program.stop()
  await until(() => program.output().includes('shutting down'))
  gate.resolve()
  const [response] = await responded
  expect(await text(response)).toBe('finished')
  // The deadline is longer than the time limit of the test.
  expect((await stopped).code).toBe(0)
  agent.destroy()
})

test('a request in flight is aborted at the shutdown deadline', async () => {
  const upstream = await startServer((_req, res) => void res.write('the first part'))
  const program = await startProgram(`${forwardConfig(upstream)}\nshutdown: { deadline: 200ms }`)
  const response = await fetch(program.proxyUrl)
  const { code } = await program.stop()
  expect(code).toBe(0)
  await expect(response.text()).rejects.toThrow('terminated')
})

test('a second signal ends the process at once', async () => {
  const upstream = await startServer((_req, res) => void res.write('the first part'))
  const program = await startProgram(`${forwardConfig(upstream)}\nshutdown: { deadline: 60s }`)
  await fetch(program.proxyUrl)
  const stopped = program.stop()
  await until(() => program.output().includes('shutting down'))
  program.process.kill('SIGTERM')
  expect((await stopped).code).toBe(1)
})

test('during the shutdown delay requests are served, and /readyz fails', async () => {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const program = await startProgram(`${forwardConfig(upstream)}\nshutdown: { delay: 2s }`)
  const stopped = program.stop()
  await until(async () => (await fetch(`${program.adminUrl}/readyz`)).status === 503)
  const response = await fetch(program.proxyUrl)
  expect(await response.text()).toBe('ok')
  expect((await stopped).code).toBe(0)
})

test('WebSockets are closed at shutdown.upgraded, before the deadline of requests', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const upstream = await startServer((_req, res) => {
    arrived += 1
    void gate.promise.then(() => res.end('finished'))
  })
  const switching = await startSwitchingServer((socket) => void socket.write(SWITCHING))
  const program = await startProgram(`
routes:
  - { name: slow, match: { path: /slow }, upstream: '${upstream}', credential: none }
  - { name: chat, match: { path: /chat }, upstream: '${switching.origin}', credential: none }
shutdown: { deadline: 60s, upgraded: 200ms }
`)
  const chat = await openRaw(program.proxyUrl, handshake('/chat'))
  await chat.sees('\r\n\r\n')
  const running = fetch(`${program.proxyUrl}/slow`)
  await until(() => arrived === 1)
  const stopped = program.stop()
  await chat.ended
  gate.resolve()
  expect(await (await running).text()).toBe('finished')
  expect((await stopped).code).toBe(0)
})

test('POST /quit with shutdown.quit ends the process like SIGTERM', async () => {
  const program = await startProgram(
    `${forwardConfig('http://127.0.0.1:1')}\nshutdown: { quit: true }`,
  )
  const exited = once(program.process, 'exit')
  expect((await fetch(`${program.adminUrl}/quit`)).status).toBe(405)
  const fromPage = { method: 'POST', headers: { origin: 'http://evil.example' } }
  expect((await fetch(`${program.adminUrl}/quit`, fromPage)).status).toBe(403)
  expect((await fetch(`${program.adminUrl}/quit`, { method: 'POST' })).status).toBe(200)
  expect((await exited)[0]).toBe(0)
})

test('POST /quit gets its response, and pending work ends at the deadline', async () => {
  const endpoint = await startTokenEndpoint(() => {})
  const upstream = await startServer((_req, res) => void res.write('the first part'))
  const program = await startProgram(`
${endpointConfig({ endpoint: endpoint.url, upstream })}
  - { name: free, match: { path: / }, upstream: '${upstream}', credential: none }
shutdown: { quit: true, deadline: 200ms }
`)
  const running = await fetch(program.proxyUrl)
  const waiting = fetch(`${program.proxyUrl}/orders`).catch(() => 'cut off')
  const renewal = fetch(`${program.adminUrl}/credentials/corp/renew`, { method: 'POST' }).catch(
    () => 'cut off',
  )
  await until(() => endpoint.requests.length === 1)
  const exited = once(program.process, 'exit')
  const quit = await fetch(`${program.adminUrl}/quit`, { method: 'POST' })
  expect(await quit.json()).toEqual({ message: 'shutting down' })
  expect((await exited)[0]).toBe(0)
  await expect(running.text()).rejects.toThrow('terminated')
  expect([await waiting, await renewal]).toEqual(['cut off', 'cut off'])
  const lines = program.output().split('\n')
  const pending = lines.find((line) => line.includes('shutdown deadline exceeded')) ?? '{}'
  expect(JSON.parse(pending)).toMatchObject({ requests: 2, tokenRequests: ['corp'] })
})

test.for([
  { what: 'idle', sends: '' },
  { what: 'in the middle of a request', sends: 'GET /metrics HTTP/1.1\r\nHost: local' },
  {
    what: 'waiting for a renewal',
    sends: 'POST /credentials/corp/renew HTTP/1.1\r\nHost: localhost\r\n\r\n',
  },
  {
    what: 'not read by their clients',
    sends: 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(8),
  },
])('admin connections that are $what do not delay the exit', async ({ sends }) => {
  const endpoint = await startTokenEndpoint(() => {})
  const config = endpointConfig({ endpoint: endpoint.url, upstream: 'http://127.0.0.1:1' })
  const program = await startProgram(`${config}\nshutdown: { deadline: 60s }`)
  const clients = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const client = await openRaw(program.adminUrl, sends)
      client.socket.pause()
      return client
    }),
  )
  expect((await fetch(`${program.adminUrl}/livez`)).status).toBe(200)
  expect((await program.stop()).code).toBe(0)
  for (const { socket } of clients) socket.resume()
  await Promise.all(clients.map(async ({ ended }) => await ended))
})

test('POST /quit without shutdown.quit is rejected', async () => {
  const program = await startProgram(forwardConfig('http://127.0.0.1:1'))
  const response = await fetch(`${program.adminUrl}/quit`, { method: 'POST' })
  expect(response.status).toBe(403)
  expect(await response.text()).toContain('shutdown.quit')
  expect((await fetch(`${program.adminUrl}/livez`)).status).toBe(200)
})

test('a tunnel whose client has closed does not delay the exit', async () => {
  const switching = await startSwitchingServer((socket) => void socket.write(SWITCHING))
  const program = await startProgram(
    `${forwardConfig(switching.origin)}\nshutdown: { upgraded: 100ms }`,
  )
  const client = await openRaw(program.proxyUrl, handshake('/chat'))
  await client.sees('\r\n\r\n')
  client.socket.end()
  expect((await program.stop()).code).toBe(0)
})

test('SIGTERM during a token request that gets no response ends the process at the deadline, and the log says what was pending', async () => {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const endpoint = await startTokenEndpoint(() => {})
  const config = endpointConfig({ endpoint: endpoint.url, upstream })
  const program = await startProgram(`${config}\nshutdown: { deadline: 200ms }`)
  const waiting = fetch(`${program.proxyUrl}/orders`).catch(() => 'cut off')
  await until(() => endpoint.requests.length === 1)
  expect((await program.stop()).code).toBe(0)
  expect(await waiting).toBe('cut off')
  const lines = program.output().split('\n')
  const pending = lines.find((line) => line.includes('shutdown deadline exceeded')) ?? '{}'
  expect(JSON.parse(pending)).toMatchObject({ requests: 1, tunnels: 0, tokenRequests: ['corp'] })
  expect(program.output()).toContain('"message":"exiting with work pending"')
})

test('the log line at the shutdown deadline lists the token requests of a configuration that a reload has replaced', async () => {
  const endpoint = await startTokenEndpoint(() => {})
  const config = (credential: string): string => `listen: 127.0.0.1:0
admin: 127.0.0.1:0
shutdown: { deadline: 200ms }
credentials:
  ${credential}:
    tokenEndpoint: ${endpoint.url}
    clientId: app
    auth: { method: client_secret_post, clientSecret: { value: secret } }
routes: [{ name: all, match: { path: / }, upstream: 'http://127.0.0.1:1', credential: ${credential} }]
`
  const file = await writeConfig(config('first'))
  const program = await startProgramAt(file)
  const waiting = fetch(program.proxyUrl).catch(() => 'cut off')
  await until(() => endpoint.requests.length === 1)
  await writeFile(file, config('second'))
  await until(() => endpoint.requests.length === 2)
  expect((await program.stop()).code).toBe(0)
  expect(await waiting).toBe('cut off')
  const lines = program.output().split('\n')
  const pending = lines.find((line) => line.includes('shutdown deadline exceeded')) ?? '{}'
  expect(JSON.parse(pending)).toMatchObject({ tokenRequests: ['first', 'second'] })
})
