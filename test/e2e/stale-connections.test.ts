import type { Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createUpstream } from '../../src/outbound/upstream.ts'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { bodyFrom } from '../helpers/upstream-request.ts'
import { openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw, isWholeRequest, startRawUpstream } from '../helpers/raw-http.ts'
import { type RunningSidecar, startSidecar } from '../helpers/sidecar.ts'
import { startServer } from '../helpers/servers.ts'
import { sendToken } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const QUEUED = 'token_sidecar_upstream_requests_queued'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** How an upstream closes a connection. */
const CLOSINGS = {
  'closes it': (socket: Socket) => void socket.end(),
  'resets it': (socket: Socket) => void socket.resetAndDestroy(),
} as const

/** Responds to the first request of each connection, and closes the connection at the second one. */
async function startStaleUpstream(closing: keyof typeof CLOSINGS, repeats = Infinity) {
  let lost = 0
  return await startRawUpstream((received, socket) => {
    if (
      isWholeRequest(received) &&
      received.indexOf(' HTTP/1.1\r\n') === received.lastIndexOf(' HTTP/1.1\r\n')
    ) {
      socket.write(OK)
    } else if (lost < repeats) {
      lost += 1
      CLOSINGS[closing](socket)
    }
  })
}

async function statusOf(sidecar: RunningSidecar, init: RequestInit = {}): Promise<number> {
  const response = await fetch(`${sidecar.proxyUrl}/orders`, init)
  await response.text()
  return response.status
}

for (const closing of ['closes it', 'resets it'] as const) {
  test.for([{ method: 'GET' }, { method: 'HEAD' }, { method: 'OPTIONS' }, { method: 'DELETE' }])(
    `a $method on a reused connection is retried on a new one if the upstream ${closing}`,
    async ({ method }) => {
      const upstream = await startStaleUpstream(closing)
      const sidecar = await startSidecar(forwardConfig(upstream.origin))
      expect(await statusOf(sidecar)).toBe(200)
      expect(await statusOf(sidecar, { method })).toBe(200)
      expect(upstream.connections).toHaveLength(2)
      expect(upstream.connections.at(-1)?.received).toMatch(new RegExp(`^${method} `))
      const metrics = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
      expect(metrics).toContain('token_sidecar_retries_total{route="all"} 1\n')
    },
  )

  test.for([{ method: 'POST' }, { method: 'PATCH' }])(
    `a $method on a reused connection is not retried if the upstream ${closing}`,
    async ({ method }) => {
      const upstream = await startStaleUpstream(closing)
      const sidecar = await startSidecar(forwardConfig(upstream.origin))
      expect(await statusOf(sidecar)).toBe(200)
      expect(await statusOf(sidecar, { method, body: 'x' })).toBe(502)
      expect(upstream.connections).toHaveLength(1)
    },
  )

  test(`a request is not retried if a new connection to the upstream ${closing}`, async () => {
    const upstream = await startRawUpstream((_received, socket) => CLOSINGS[closing](socket))
    const sidecar = await startSidecar(forwardConfig(upstream.origin))
    expect(await statusOf(sidecar)).toBe(502)
    expect(upstream.connections).toHaveLength(1)
  })

  test(`a request is not retried if the upstream ${closing} in the middle of its response`, async () => {
    const upstream = await startRawUpstream((received, socket) => {
      const requests = received.split(' HTTP/1.1\r\n').length - 1
      if (requests === 1) socket.write(OK)
      else
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () =>
          CLOSINGS[closing](socket),
        )
    })
    const sidecar = await startSidecar(forwardConfig(upstream.origin))
    expect(await statusOf(sidecar)).toBe(200)
    await expect(statusOf(sidecar)).rejects.toThrow('terminated')
    expect(upstream.connections).toHaveLength(1)
  })
}

test('a request on a stale connection is retried once', async () => {
  const upstream = await startRawUpstream((received, socket) => {
    const requests = received.split(' HTTP/1.1\r\n').length - 1
    if (requests === 1 && upstream.connections.length === 1) socket.write(OK)
    else socket.end()
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  expect(await statusOf(sidecar)).toBe(200)
  expect(await statusOf(sidecar)).toBe(502)
  expect(upstream.connections).toHaveLength(2)
})

test('a route can disable retries', async () => {
  const upstream = await startStaleUpstream('closes it')
  const sidecar = await startSidecar(forwardConfig(upstream.origin, 'retry: false'))
  expect(await statusOf(sidecar)).toBe(200)
  expect(await statusOf(sidecar)).toBe(502)
  expect(upstream.connections).toHaveLength(1)
})

test('a PUT is retried with its body if the body was buffered', async () => {
  const tokens = await startServer((_req, res) => sendToken(res))
  const upstream = await startStaleUpstream('resets it')
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: `${tokens}/token`, upstream: upstream.origin }),
  )
  expect(await statusOf(sidecar)).toBe(200)
  expect(await statusOf(sidecar, { method: 'PUT', body: 'the whole body' })).toBe(200)
  expect(upstream.connections.at(-1)?.received).toMatch(/^PUT [^]*\r\n\r\nthe whole body$/)
})

test('a PUT is not retried if its body was not buffered', async () => {
  const upstream = await startStaleUpstream('resets it')
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  expect(await statusOf(sidecar)).toBe(200)
  expect(await statusOf(sidecar, { method: 'PUT', body: 'gone' })).toBe(502)
  expect(upstream.connections).toHaveLength(1)
})

test('connections are closed after their lifetime, so that DNS changes take effect', async () => {
  const upstream = await startRawUpstream((_received, socket) => void socket.write(OK))
  const connections = await createUpstream(
    {
      origin: upstream.origin,
      connectTimeoutMs: 5_000,
      maxConnections: 1,
      maxHeaderBytes: 16_384,
      connectionLifetimeSeconds: 1,
    },
    async () => await Promise.resolve({}),
    systemClock,
  )
  onTestFinished(connections.close)
  await until(async () => {
    await bodyFrom(connections)
    return upstream.connections.length > 1
  })
  expect(upstream.connections.length).toBeGreaterThan(1)
})

test('an upstream with several addresses is reached at the one that accepts connections', async () => {
  // "localhost" resolves to ::1 and 127.0.0.1 on most machines; this upstream listens on 127.0.0.1 only.
  const upstream = await startRawUpstream((_received, socket) => void socket.end(OK))
  const { port } = new URL(upstream.origin)
  const sidecar = await startSidecar(forwardConfig(`http://localhost:${port}`))
  expect(await statusOf(sidecar)).toBe(200)
})

test('requests above the connection limit of a route wait', async () => {
  const pending: Socket[] = []
  const upstream = await startRawUpstream((_received, socket) => void pending.push(socket))
  const sidecar = await startSidecar(forwardConfig(upstream.origin, 'connections: 2'))
  const statuses = Array.from({ length: 4 }, async () => await statusOf(sidecar))
  await until(async () => (await metric(sidecar, QUEUED, { upstream: upstream.origin })) === 2)
  await until(() => pending.length === 2)
  for (const answered of [2, 4]) {
    await until(() => pending.length === answered)
    for (const socket of pending.slice(answered - 2)) socket.write(OK)
  }
  expect(await Promise.all(statuses)).toEqual([200, 200, 200, 200])
  expect(upstream.connections).toHaveLength(2)
})

test('a request that waits for a connection is removed when its client disconnects', async () => {
  const upstream = await startRawUpstream(() => {})
  const sidecar = await startSidecar(forwardConfig(upstream.origin, 'connections: 1'))
  const queued = async (): Promise<number | undefined> =>
    await metric(sidecar, QUEUED, { upstream: upstream.origin })
  const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
  await openRaw(sidecar.proxyUrl, get)
  await until(() => upstream.connections.length === 1)
  const { socket } = await openRaw(sidecar.proxyUrl, get)
  await until(async () => (await queued()) === 1)
  socket.destroy()
  await until(async () => (await queued()) === 0)
  expect(upstream.connections).toHaveLength(1)
})

test('a request that waits for a connection beyond the response timeout fails with that reason', async () => {
  const upstream = await startRawUpstream(() => {})
  const limits = 'connections: 1\ntimeouts: { response: 100ms }'
  const sidecar = await startSidecar(forwardConfig(upstream.origin, limits))
  // The response timeout does not start before the upload is complete.
  await openRaw(sidecar.proxyUrl, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n')
  await until(() => upstream.connections.length === 1)
  const get = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const response = await exchangeRaw(sidecar.proxyUrl, get, (soFar) => soFar.endsWith('}\n'))
  expect(response).toContain('no connection became available within the time limit')
})

test.for([
  { retry: true, status: 200, connections: 2 },
  { retry: false, status: 502, connections: 1 },
])(
  'a POST whose connection closes before anything was sent gets $status with retry: $retry',
  async ({ retry, status, connections }) => {
    let first: Socket | undefined
    const upstream = await startRawUpstream((received, socket) => {
      first ??= socket
      if (isWholeRequest(received)) socket.write(OK)
    })
    const sidecar = await startSidecar(forwardConfig(upstream.origin, `retry: ${retry}`))
    expect(await statusOf(sidecar)).toBe(200)
    const client = await openRaw(sidecar.proxyUrl)
    client.socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n')
    // The POST has been assigned the idle connection by then.
    const running = 'token_sidecar_upstream_requests_running'
    await until(async () => (await metric(sidecar, running, {})) === 1)
    first?.end('HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n')
    await until(() => first?.destroyed === true)
    client.socket.write('hello')
    await until(() => client.received().includes('HTTP/1.1 '))
    expect(client.received()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(upstream.connections).toHaveLength(connections)
  },
)
