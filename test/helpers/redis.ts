import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createClient } from '@redis/client'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from './sidecar.ts'
import { findPrograms, MAY_SKIP } from './tools.ts'
import { until } from './wait.ts'

const [PROGRAM] = [...findPrograms('valkey-server'), ...findPrograms('redis-server')]

/** For `test.skipIf`: announced as skipped without a server, and failing where tools are required. */
export const HAS_NO_REDIS = PROGRAM === undefined && MAY_SKIP

export type RedisServer = {
  readonly port: number
  readonly url: string
  /** The process, for signals. */
  readonly kill: (signal: NodeJS.Signals) => void
  /** Starts it again, on the same port and without its data. */
  readonly start: (...settings: readonly string[]) => Promise<void>
  /** Sends one command. */
  readonly command: (...words: readonly string[]) => Promise<unknown>
}

/** A real server without persistence; `settings` are those of its command line. */
export async function startRedis(...settings: readonly string[]): Promise<RedisServer> {
  const directory = await temporaryDirectory()
  const port = await freePort()
  let server: ChildProcess | undefined
  const stop = (): void => {
    server?.kill('SIGCONT')
    server?.kill('SIGKILL')
  }
  onTestFinished(stop)
  const start = async (...own: readonly string[]): Promise<void> => {
    if (server !== undefined && server.exitCode === null && server.signalCode === null) {
      const exited = once(server, 'exit')
      stop()
      await exited
    }
    server = await launch(['--port', String(port), '--dir', directory, ...own])
  }
  await start(...settings)
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: (signal) => void server?.kill(signal),
    start,
    command: async (...words) => await commandTo(port, words),
  }
}

export type RedisCluster = {
  readonly urls: readonly string[]
  readonly servers: readonly RedisServer[]
}

/** A cluster of three nodes without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const servers = await Promise.all(
    [0, 1, 2].map(async () => await startRedis('--cluster-enabled', 'yes')),
  )
  const share = Math.ceil(SLOTS / servers.length)
  for (const [index, server] of servers.entries()) {
    const last = Math.min((index + 1) * share, SLOTS) - 1
    await server.command('CLUSTER', 'ADDSLOTSRANGE', String(index * share), String(last))
    await server.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
  }
  const [first] = servers
  for (const { port } of servers.slice(1)) {
    await first?.command('CLUSTER', 'MEET', '127.0.0.1', String(port))
  }
  for (const server of servers) {
    await until(async () =>
      String(await server.command('CLUSTER', 'INFO')).includes('cluster_state:ok'),
    )
  }
  return { urls: servers.map(({ url }) => url), servers }
}

const SLOTS = 16_384

export type RedisSentinels = {
  readonly urls: readonly string[]
  readonly primary: RedisServer
  readonly replica: RedisServer
}

/** Three Sentinels that monitor a primary with one replica. */
export async function startSentinels(name = 'mymaster'): Promise<RedisSentinels> {
  const primary = await startRedis()
  const replica = await startRedis('--replicaof', '127.0.0.1', String(primary.port))
  await until(async () =>
    String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
  )
  const ports = await Promise.all(
    [0, 1, 2].map(async () => await startSentinel(name, primary.port)),
  )
  for (const port of ports) {
    await until(async () => {
      const known = String(await commandTo(port, ['SENTINEL', 'MASTER', name]))
      return /num-other-sentinels,2\b/.test(known) && /num-slaves,1\b/.test(known)
    })
  }
  return { urls: ports.map((port) => `redis://127.0.0.1:${port}`), primary, replica }
}

async function startSentinel(name: string, primary: number): Promise<number> {
  const directory = await temporaryDirectory()
  const port = await freePort()
  const file = join(directory, 'sentinel.conf')
  await writeFile(
    file,
    `port ${port}
dir ${directory}
sentinel monitor ${name} 127.0.0.1 ${primary} 2
sentinel down-after-milliseconds ${name} 500
sentinel failover-timeout ${name} 3000
`,
  )
  const sentinel = await launch([file, '--sentinel'])
  onTestFinished(() => void sentinel.kill('SIGKILL'))
  return port
}

async function commandTo(port: number, words: readonly string[]): Promise<unknown> {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.sendCommand([...words])
  } finally {
    client.destroy()
  }
}

async function launch(settings: readonly string[]): Promise<ChildProcess> {
  if (PROGRAM === undefined) throw new Error('neither valkey-server nor redis-server is installed')
  const isSentinel = settings.includes('--sentinel')
  const server = spawn(PROGRAM, isSentinel ? settings : ['--save', '', ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: server.stdout })) {
    if (/Ready to accept connections|\+monitor/.test(line)) {
      // Without a reader it would block.
      server.stdout.resume()
      return server
    }
  }
  throw new Error(`${PROGRAM} ended early: ${settings.join(' ')}`)
}

/** Servers of this kind cannot report a port that the system has chosen. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  // A cluster uses a second port, 10,000 above.
  return address.port > 50_000 ? await freePort() : address.port
}
