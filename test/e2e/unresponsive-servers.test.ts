import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { portOf, startServer } from '../helpers/servers.ts'
import { startProgram } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
const CHUNK = `${(64 * 1024).toString(16)}\r\n${'x'.repeat(64 * 1024)}\r\n`

/** How a server behaves after the first bytes of a request. */
const BEHAVIOURS: readonly { readonly what: string; readonly respond: (socket: Socket) => void }[] =
  [
    { what: 'never responds', respond: () => {} },
    { what: 'does not read', respond: (socket) => void socket.pause() },
    {
      what: 'sends a byte of its response every 20 ms',
      respond(socket) {
        socket.write(`${HEAD}Content-Length: 1000000\r\n\r\n`)
        const timer = setInterval(() => void socket.write(' '), 20)
        socket.once('close', () => clearInterval(timer))
      },
    },
    {
      what: 'sends a response without end',
      respond(socket) {
        const send = (): void => {
          while (socket.writable && socket.write(CHUNK));
        }
        socket.on('drain', send)
        socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`)
        send()
      },
    },
    { what: 'closes each connection', respond: (socket) => void socket.end() },
    { what: 'resets each connection', respond: (socket) => void socket.resetAndDestroy() },
  ]

type UnresponsiveServer = { readonly origin: string; readonly requests: () => number }

async function startUnresponsive(respond: (socket: Socket) => void): Promise<UnresponsiveServer> {
  let requests = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    socket.once('data', () => {
      requests += 1
      respond(socket)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { origin: `http://127.0.0.1:${portOf(server)}`, requests: () => requests }
}

/** Longer than the time limit of a test, so that only the limits of the sidecar end a wait. */
const LONG_TIMEOUTS = { OTEL_EXPORTER_OTLP_TIMEOUT: '600000', OTEL_BSP_EXPORT_TIMEOUT: '600000' }
const DEADLINE = 'shutdown: { deadline: 200ms }'

test.for(BEHAVIOURS)(
  'with an OTLP receiver that $what, requests are served, and SIGTERM ends the process',
  async ({ respond }) => {
    const receiver = await startUnresponsive(respond)
    const upstream = await startServer((_req, res) => void res.end('ok'))
    const program = await startProgram(`${forwardConfig(upstream)}\n${DEADLINE}`, {
      ...LONG_TIMEOUTS,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.origin,
      OTEL_BSP_SCHEDULE_DELAY: '10',
    })
    await until(async () => {
      expect(await (await fetch(program.proxyUrl)).text()).toBe('ok')
      return receiver.requests() > 0
    })
    for (let sent = 0; sent < 50; sent += 1) {
      expect(await (await fetch(program.proxyUrl)).text()).toBe('ok')
    }
    expect((await fetch(`${program.adminUrl}/readyz`)).status).toBe(200)
    expect((await program.stop()).code).toBe(0)
    expect(program.output()).toContain('"message":"stopped"')
  },
)

test.for(BEHAVIOURS.slice(0, 3))(
  'an OTLP receiver that $what is logged once',
  async ({ respond }) => {
    const receiver = await startUnresponsive(respond)
    const upstream = await startServer((_req, res) => void res.end('ok'))
    const program = await startProgram(`${forwardConfig(upstream)}\n${DEADLINE}`, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.origin,
      OTEL_EXPORTER_OTLP_TIMEOUT: '600000',
      OTEL_BSP_SCHEDULE_DELAY: '10',
      OTEL_BSP_EXPORT_TIMEOUT: '100',
    })
    await until(async () => {
      expect(await (await fetch(program.proxyUrl)).text()).toBe('ok')
      return receiver.requests() > 3
    })
    const lines = program.output().split('\n')
    const warnings = lines.filter((line) => line.includes('cannot export traces'))
    expect(warnings.map((line): unknown => JSON.parse(line))).toEqual([
      expect.objectContaining({ reason: 'the receiver does not respond in time' }),
    ])
  },
)

test.for(BEHAVIOURS)(
  'with a token endpoint that $what, the start is complete, other routes are served, and SIGTERM ends the process',
  async ({ respond }) => {
    const endpoint = await startUnresponsive(respond)
    const upstream = await startServer((_req, res) => void res.end('ok'))
    const config = endpointConfig({
      endpoint: `${endpoint.origin}/token`,
      upstream,
      credential: 'timeout: 600s',
    })
    const free = `  - { name: free, match: { path: /free }, upstream: '${upstream}', credential: none }`
    const program = await startProgram(`${config}\n${free}\n${DEADLINE}`)
    await until(() => endpoint.requests() > 0)
    expect(await (await fetch(`${program.proxyUrl}/free`)).text()).toBe('ok')
    const ready = await fetch(`${program.adminUrl}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.text()).toContain('token \\"corp\\"')
    for (const path of ['/livez', '/status', '/metrics']) {
      expect((await fetch(program.adminUrl + path)).status).toBe(200)
    }
    expect((await program.stop()).code).toBe(0)
    expect(program.output()).toContain('"message":"stopped"')
  },
)
