import { expect, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { startFrozenSidecar } from '../helpers/frozen-sidecar.ts'
import { metric } from '../helpers/metrics.ts'
import { follow, openRaw, type RawConnection } from '../helpers/raw-connection.ts'
import { type RunningSidecar, startProgram, startSidecar } from '../helpers/sidecar.ts'
import { handshake, startSwitchingServer, SWITCHING } from '../helpers/switching-server.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** An open tunnel, with both ends. */
async function openTunnel(route = '', top = '') {
  return await openTunnelThrough(startSidecar, route, top)
}

async function openTunnelThrough<Sidecar extends RunningSidecar>(
  start: (yaml: string) => Promise<Sidecar>,
  route: string,
  top = '',
) {
  const accepted = Promise.withResolvers<RawConnection>()
  const { origin } = await startSwitchingServer((socket) => {
    socket.write(SWITCHING)
    accepted.resolve(follow(socket))
  })
  const sidecar = await start(`${forwardConfig(origin, route)}\n${top}`)
  const client = await openRaw(sidecar.proxyUrl, handshake())
  await client.sees('\r\n\r\n')
  return { sidecar, client, upstream: await accepted.promise }
}

/** The access log line at the end of a request or tunnel. */
async function lastLine({ logs }: RunningSidecar): Promise<unknown> {
  let line: string | undefined
  await until(async () => {
    line = (await logs()).trimEnd().split('\n').at(-1)
    return line?.includes('"message":"request') === true
  })
  return JSON.parse(line ?? '')
}

test('the upstream can still send through a tunnel after the client half-closes', async () => {
  const { sidecar, client, upstream } = await openTunnel()
  client.socket.end('question')
  expect(await upstream.ended).toBe('end')
  expect(upstream.received()).toBe('question')
  upstream.socket.write('a long ')
  await client.sees('a long ')
  upstream.socket.end('answer')
  expect(await client.ended).toBe('end')
  expect(client.received()).toMatch(/\r\n\r\na long answer$/)
  expect(await lastLine(sidecar)).toMatchObject({
    bytesToUpstream: 8,
    bytesToClient: 13,
    end: 'closed',
  })
})

test('the client can still send through a tunnel after the upstream half-closes', async () => {
  const { sidecar, client, upstream } = await openTunnel()
  upstream.socket.end('enough')
  expect(await client.ended).toBe('end')
  client.socket.write('but ')
  await upstream.sees('but ')
  client.socket.end('still')
  expect(await upstream.ended).toBe('end')
  expect(upstream.received()).toBe('but still')
  expect(await lastLine(sidecar)).toMatchObject({ end: 'closed' })
})

test.for(['client', 'upstream'] as const)(
  'a reset by the %s of a tunnel closes both sides',
  async (side) => {
    const tunnel = await openTunnel()
    const other = side === 'client' ? 'upstream' : 'client'
    tunnel[side].socket.write('something')
    await tunnel[other].sees('something')
    tunnel[side].socket.resetAndDestroy()
    await tunnel[other].ended
    expect(await lastLine(tunnel.sidecar)).toMatchObject({ status: 101, end: 'reset' })
  },
)

test('a reset while the other side sends closes both sides of a tunnel', async () => {
  const { sidecar, client, upstream } = await openTunnel()
  const part = Buffer.alloc(64 * 1024)
  const send = (): void => {
    if (!upstream.socket.destroyed) upstream.socket.write(part, () => void setImmediate(send))
  }
  send()
  await until(() => client.received().length > 1_000_000)
  client.socket.resetAndDestroy()
  await until(() => upstream.socket.destroyed)
  expect(await lastLine(sidecar)).toMatchObject({ end: 'reset' })
})

test('a tunnel without traffic is closed after the idle timeout', async () => {
  const { sidecar, client, upstream } = await openTunnelThrough(
    startFrozenSidecar,
    'timeouts: { upgraded: 1m }',
  )
  await sidecar.pass(62_000)
  await Promise.all([client.ended, upstream.ended])
  expect(await lastLine(sidecar)).toMatchObject({ status: 101, end: 'idle' })
})

test('traffic in one direction keeps a tunnel open', async () => {
  const { sidecar, client, upstream } = await openTunnelThrough(
    startFrozenSidecar,
    'timeouts: { upgraded: 1m }',
  )
  for (let sent = 1; sent <= 5; sent += 1) {
    upstream.socket.write('.')
    await until(() => client.received().endsWith('.'.repeat(sent)))
    await sidecar.pass(30_000)
  }
  client.socket.write('still there')
  await upstream.sees('still there')
  expect(client.socket.destroyed).toBe(false)
})

test('a tunnel without an idle timeout stays open without traffic', async () => {
  const { sidecar, client, upstream } = await openTunnelThrough(
    startFrozenSidecar,
    'timeouts: { upgraded: 0s, idle: 1m, response: 1m }',
  )
  await sidecar.pass(600_000)
  client.socket.write('still there')
  await upstream.sees('still there')
  expect(upstream.received()).toBe('still there')
})

test.for([
  {
    how: 'half-closes its connection',
    disconnect: (client: RawConnection) => void client.socket.end(),
  },
  {
    how: 'resets its connection',
    disconnect: (client: RawConnection) => void client.socket.resetAndDestroy(),
  },
])('a client that $how during the upgrade handshake aborts it', async ({ disconnect }) => {
  const arrived = Promise.withResolvers<RawConnection>()
  const { origin } = await startSwitchingServer((socket) => arrived.resolve(follow(socket)))
  const sidecar = await startSidecar(forwardConfig(origin))
  const client = await openRaw(sidecar.proxyUrl, handshake())
  const upstream = await arrived.promise
  disconnect(client)
  await upstream.ended
  expect(await lastLine(sidecar)).toMatchObject({ status: 499, code: 'client_closed' })
  expect(await metric(sidecar, 'token_sidecar_requests_in_flight', { route: 'all' })).toBe(0)
  expect(await metric(sidecar, 'token_sidecar_tunnels_opened_total', { route: 'all' })).toBe(0)
})

test('a client that disconnects during the token request causes no upgrade handshake', async () => {
  const gate = Promise.withResolvers<void>()
  const endpoint = await startTokenEndpoint(
    (_request, res) => void gate.promise.then(() => sendToken(res)),
  )
  const { origin, handshakes } = await startSwitchingServer(
    (socket) => void socket.write(SWITCHING),
  )
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream: origin }))
  const client = await openRaw(sidecar.proxyUrl, handshake())
  await until(
    async () =>
      (await metric(sidecar, 'token_sidecar_requests_in_flight', { route: 'orders' })) === 1,
  )
  client.socket.end()
  expect(await lastLine(sidecar)).toMatchObject({ status: 499, code: 'client_closed' })
  gate.resolve()
  await until(async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200)
  expect(handshakes).toHaveLength(0)
})

test('metrics count open tunnels, and tunnels that were opened', async () => {
  const { sidecar, client, upstream } = await openTunnel()
  const labels = { route: 'all' }
  const value = async (name: string, more = {}): Promise<number | undefined> =>
    await metric(sidecar, `token_sidecar_${name}`, { ...labels, ...more })
  expect(await value('tunnels_open')).toBe(1)
  expect(await value('tunnels_opened_total')).toBe(1)
  expect(await value('requests_in_flight')).toBe(0)
  expect(await value('requests_total', { method: 'GET', status: '1xx' })).toBe(1)
  client.socket.end('hello')
  await upstream.ended
  upstream.socket.end('good bye')
  await client.ended
  await until(async () => (await value('tunnels_open')) === 0)
  expect(await value('tunnels_opened_total')).toBe(1)
  expect(await value('tunnel_bytes_total', { direction: 'to_upstream' })).toBe(5)
  expect(await value('tunnel_bytes_total', { direction: 'to_client' })).toBe(8)
  expect(await value('requests_total', { method: 'GET', status: '1xx' })).toBe(1)
})

test('the access log line of a tunnel has bytes and end, and no secret', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN-CANARY' }),
  )
  const { origin } = await startSwitchingServer((socket) => {
    socket.write(`${SWITCHING}WORDS-CANARY`)
    socket.resume().on('end', () => socket.end())
  })
  const sidecar = await startSidecar(endpointConfig({ endpoint: endpoint.url, upstream: origin }))
  const client = await openRaw(
    sidecar.proxyUrl,
    `${handshake('/orders/live?key=QUERY-CANARY')}early`,
  )
  await client.sees('WORDS-CANARY')
  client.socket.end()
  await client.ended
  expect(await lastLine(sidecar)).toEqual({
    level: 'info',
    time: expect.any(String),
    route: 'orders',
    method: 'GET',
    protocol: 'http/1.1',
    mode: 'base_url',
    path: '/orders/live',
    status: 101,
    durationMs: expect.any(Number),
    upstreamMs: expect.any(Number),
    tokenWaitMs: expect.any(Number),
    bytesToUpstream: 5,
    bytesToClient: 12,
    end: 'closed',
    message: 'request',
  })
  expect(await sidecar.logs()).not.toContain('CANARY')
})

test('both sides of a tunnel are closed at the shutdown deadline', async () => {
  const { sidecar, client, upstream } = await openTunnel('', 'shutdown: { deadline: 100ms }')
  await sidecar.close()
  await Promise.all([client.ended, upstream.ended])
  expect(await lastLine(sidecar)).toMatchObject({ status: 101, end: 'reset' })
})

test('SIGTERM keeps a tunnel open until the shutdown deadline', async () => {
  const { origin } = await startSwitchingServer((socket) => {
    socket.write(SWITCHING)
    socket.pipe(socket)
  })
  const program = await startProgram(`${forwardConfig(origin)}\nshutdown: { deadline: 500ms }`)
  const client = await openRaw(program.proxyUrl, handshake())
  await client.sees('\r\n\r\n')
  const stopped = program.stop()
  await until(() => program.output().includes('shutting down'))
  client.socket.write('still there')
  await client.sees('still there')
  await client.ended
  expect((await stopped).code).toBe(0)
})

test('SIGTERM does not wait for tunnels that have ended', async () => {
  const { origin } = await startSwitchingServer((socket) => {
    socket.write(SWITCHING)
    socket.pipe(socket)
  })
  const program = await startProgram(`${forwardConfig(origin)}\nshutdown: { deadline: 10m }`)
  const ended = await openRaw(program.proxyUrl, handshake())
  await ended.sees('\r\n\r\n')
  ended.socket.end()
  await ended.ended
  const open = await openRaw(program.proxyUrl, handshake())
  await open.sees('\r\n\r\n')
  const stopped = program.stop()
  await until(() => program.output().includes('shutting down'))
  open.socket.end()
  // The deadline is longer than the time limit of the test.
  expect((await stopped).code).toBe(0)
})
