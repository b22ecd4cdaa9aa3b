import { createServer, type ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { UpstreamRequest } from '../../../src/http/round-trip.ts'
import { type ConnectionPool, createConnectionPool } from '../../../src/outbound/connection-pool.ts'
import { type Connect, PLAIN_END } from '../../../src/outbound/connector.ts'
import { collectingWriter, upstreamRequest } from '../../helpers/upstream-request.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { startListening } from '../../helpers/servers.ts'
import { until } from '../../helpers/wait.ts'

const NONE_IDLE = { connected: 1, running: 1, queued: 1 }

test('an idle connection is reused', async () => {
  const { pool, ports } = await startPool({ maxConnections: 8 })
  await ask(pool).answer
  await nextTurn()
  await ask(pool).answer
  expect(new Set(ports).size).toBe(1)
})

test('of several idle connections, the most recently used one is reused', async () => {
  const { pool, ports, held } = await startPool({ maxConnections: 8, holding: 2 })
  const answers = [ask(pool), ask(pool)].map(({ answer }) => answer)
  await until(() => held.length === 2)
  for (const [index, res] of held.entries()) {
    res.end()
    await answers[index]
    await nextTurn()
  }
  await ask(pool).answer
  await nextTurn()
  await ask(pool).answer
  const [, second] = ports
  expect(ports.slice(2)).toEqual([second, second])
})

test('a request beyond the connection limit is queued until a connection is idle', async () => {
  const { pool, held, ports } = await startPool({ maxConnections: 1, holding: 1 })
  const first = ask(pool)
  const second = ask(pool)
  await until(() => held.length === 1)
  expect(pool.load()).toEqual(NONE_IDLE)
  held[0]?.end()
  expect(await Promise.all([first.answer, second.answer])).toEqual([200, 200])
  expect(new Set(ports).size).toBe(1)
})

test('a request aborted while queued is not sent', async () => {
  const { pool, held, ports } = await startPool({ maxConnections: 1, holding: 1 })
  const first = ask(pool)
  const second = ask(pool)
  await until(() => held.length === 1)
  second.abort(new Error('no longer needed'))
  await expect(second.answer).rejects.toMatchObject({ cause: { message: 'no longer needed' } })
  expect(pool.load()).toEqual({ ...NONE_IDLE, queued: 0 })
  held[0]?.end()
  await first.answer
  await ask(pool).answer
  expect(ports).toHaveLength(2)
})

test('a connection past its maximum age is not reused, with or without queued requests', async () => {
  const { pool, held, ports, clock } = await startPool({ maxConnections: 1, holding: 1 })
  const first = ask(pool)
  const second = ask(pool)
  await until(() => held.length === 1)
  await clock.advance(10_000)
  held[0]?.end()
  await Promise.all([first.answer, second.answer])
  await nextTurn()
  await ask(pool).answer
  const [old, next, last] = ports
  expect(next).not.toBe(old)
  expect(last).toBe(next)
})

test('the age of a re-established connection counts from the new connect', async () => {
  const { pool, ports, clock, hangUp } = await startPool({ maxConnections: 1 })
  await ask(pool).answer
  hangUp()
  await until(() => pool.load().connected === 0)
  await clock.advance(10_000)
  await ask(pool).answer
  await nextTurn()
  await ask(pool).answer
  const [, again, last] = ports
  expect(last).toBe(again)
})

test('when connecting fails, each queued request fails and the next one reconnects', async () => {
  const { pool, close } = await startPool({ maxConnections: 1 })
  await close()
  const failed = [ask(pool), ask(pool)].map(async ({ answer }) => await answer)
  for (const answer of failed) await expect(answer).rejects.toThrow('connection refused')
  await expect(ask(pool).answer).rejects.toThrow('connection refused')
})

test('a retired pool finishes running and queued requests, then closes its connections', async () => {
  const { pool, held } = await startPool({ maxConnections: 1, holding: 1 })
  const first = ask(pool)
  const second = ask(pool)
  await until(() => held.length === 1)
  pool.retire()
  held[0]?.end()
  expect(await Promise.all([first.answer, second.answer])).toEqual([200, 200])
  await until(() => pool.load().connected === 0)
})

test('retiring a pool closes its idle connections', async () => {
  const { pool, connections } = await startPool({ maxConnections: 1 })
  await ask(pool).answer
  await nextTurn()
  pool.retire()
  await until(async () => (await connections()) === 0)
  expect(pool.load()).toEqual({ connected: 0, running: 0, queued: 0 })
})

test('destroying a pool fails running and queued requests', async () => {
  const { pool, held } = await startPool({ maxConnections: 1, holding: 1 })
  const answers = [ask(pool), ask(pool)].map(async ({ answer }) => await answer)
  await until(() => held.length === 1)
  const failed = Promise.allSettled(answers)
  pool.destroy()
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

test('an idle connection is closed one second before the keep-alive timeout of the server', async () => {
  const { pool, clock, connections } = await startPool({ maxConnections: 1, keepAliveMs: 3_000 })
  await ask(pool).answer
  await nextTurn()
  await clock.advance(1_000)
  expect(pool.load().connected).toBe(1)
  await clock.advance(1_000)
  expect(pool.load().connected).toBe(0)
  await until(async () => (await connections()) === 0)
})

test('an idle connection is closed after four seconds if the server states no keep-alive timeout', async () => {
  const { pool, clock } = await startPool({ maxConnections: 1, keepAliveMs: 0 })
  await ask(pool).answer
  await nextTurn()
  await clock.advance(3_000)
  expect(pool.load().connected).toBe(1)
  await clock.advance(1_000)
  expect(pool.load().connected).toBe(0)
})

test('a connection with a keep-alive timeout of one second is not reused', async () => {
  const { pool, ports } = await startPool({ maxConnections: 1, keepAliveMs: 1_000 })
  await ask(pool).answer
  await ask(pool).answer
  expect(new Set(ports).size).toBe(2)
})

test('a connection is not reused after a response with Connection: close', async () => {
  const { pool, ports } = await startPool({
    maxConnections: 1,
    answer: (res) => void (res.shouldKeepAlive = false),
  })
  await ask(pool).answer
  await ask(pool).answer
  expect(new Set(ports).size).toBe(2)
})

test('an unsolicited response is not delivered to the next request', async () => {
  const { pool, ports, sockets } = await startPool({ maxConnections: 1 })
  await ask(pool).answer
  sockets[0]?.write('HTTP/1.1 418 Forged\r\nContent-Length: 0\r\n\r\n')
  await until(() => pool.load().connected === 0)
  expect(await ask(pool).answer).toBe(200)
  expect(new Set(ports).size).toBe(2)
})

test('a dedicated connection serves only one request', async () => {
  const { pool, ports } = await startPool({ maxConnections: 2 })
  await ask(pool).answer
  await nextTurn()
  await ask(pool, { dedicated: true }).answer
  await until(() => pool.load().connected === 1)
  await ask(pool).answer
  const [first, own, last] = ports
  expect(own).not.toBe(first)
  expect(last).toBe(first)
})

test('a dedicated connection counts toward the limit: an idle connection is closed to make room', async () => {
  const { pool, ports, held } = await startPool({ maxConnections: 1, answers: ['now', 'held'] })
  await ask(pool).answer
  await nextTurn()
  const own = ask(pool, { dedicated: true })
  await until(() => held.length === 1)
  expect(pool.load()).toEqual({ connected: 1, running: 1, queued: 0 })
  held[0]?.end()
  expect(await own.answer).toBe(200)
  expect(new Set(ports).size).toBe(2)
})

test('a request for a dedicated connection is queued at the limit and keeps its place', async () => {
  const { pool, ports, held } = await startPool({ maxConnections: 1, holding: 1 })
  const first = ask(pool)
  await until(() => held.length === 1)
  const own = ask(pool, { dedicated: true })
  const other = ask(pool)
  expect(pool.load()).toEqual({ connected: 1, running: 1, queued: 2 })
  held[0]?.end()
  expect(await Promise.all([first.answer, own.answer, other.answer])).toEqual([200, 200, 200])
  await nextTurn()
  const [firstPort, ...others] = ports
  expect(others).not.toContain(firstPort)
  expect(pool.load()).toEqual({ connected: 1, running: 0, queued: 0 })
})

test('a request queued for a dedicated connection can be aborted', async () => {
  const { pool, ports, held } = await startPool({ maxConnections: 1, holding: 1 })
  const first = ask(pool)
  await until(() => held.length === 1)
  const own = ask(pool, { dedicated: true })
  own.abort(new Error('no longer needed'))
  await expect(own.answer).rejects.toMatchObject({ cause: { message: 'no longer needed' } })
  held[0]?.end()
  await first.answer
  await nextTurn()
  expect(pool.load()).toEqual({ connected: 1, running: 0, queued: 0 })
  expect(ports).toHaveLength(1)
})

/** A pool of connections to a server that records client ports, and delays its first responses. */
async function startPool({
  maxConnections,
  holding = 0,
  answers = [],
  keepAliveMs = 60_000,
  answer = () => {},
}: {
  maxConnections: number
  holding?: number
  /** Replaces the handling of the first requests. */
  answers?: ('now' | 'held')[]
  keepAliveMs?: number
  answer?: (res: ServerResponse) => void
}) {
  const sockets: Socket[] = []
  const ports: (number | undefined)[] = []
  const held: ServerResponse[] = []
  const server = createServer((req, res) => {
    ports.push(req.socket.remotePort)
    sockets.push(req.socket)
    answer(res)
    const isHeld = answers[ports.length - 1] === 'held' || ports.length <= holding
    if (!isHeld) res.end()
    else held.push(res)
  })
  server.keepAliveTimeout = keepAliveMs
  const origin = await startListening(server)
  const clock = createFakeClock()
  const pool = createConnectionPool({
    origin,
    host: 'localhost',
    maxHeaderBytes: 16_384,
    connect: connectTo(origin),
    maxConnections,
    lifetimeSeconds: 10,
    clock,
  })
  onTestFinished(pool.destroy)
  const connections = async (): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<number>()
    server.getConnections((_error, count) => resolve(count))
    return await promise
  }
  const close = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    await promise
  }
  const hangUp = (): void => server.closeAllConnections()
  return { pool, clock, ports, sockets, held, connections, close, hangUp }
}

function connectTo(origin: string): Connect {
  const port = Number(new URL(origin).port)
  return (onConnected) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => onConnected(null, socket, PLAIN_END))
    socket.once('error', (error) => onConnected(error, null, PLAIN_END))
  }
}

/** The status of the response, once it has been read. */
function ask(pool: ConnectionPool, given: Partial<UpstreamRequest> = {}) {
  const exchange = new AbortController()
  const read = async (): Promise<number> => {
    const response = await pool.roundTrip(upstreamRequest(given), exchange.signal)
    await response.pipeTo(collectingWriter(() => {}))
    return response.status
  }
  return { answer: read(), abort: (reason: Error) => exchange.abort(reason) }
}
