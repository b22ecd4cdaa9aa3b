import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { createClient } from '@redis/client'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from './sidecar.ts'
import { findPrograms, MAY_SKIP } from './tools.ts'

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
    async command(...words) {
      const client = createClient({ url: `redis://127.0.0.1:${port}` })
      client.on('error', () => {})
      await client.connect()
      try {
        return await client.sendCommand([...words])
      } finally {
        client.destroy()
      }
    },
  }
}

/** Sentinels on this machine that monitor `primary`. */
export async function startSentinel(primary: number): Promise<{ readonly port: number }> {
  const directory = await temporaryDirectory()
  const port = await freePort()
  const file = `${directory}/sentinel.conf`
  const { writeFile } = await import('node:fs/promises')
  await writeFile(
    file,
    `port ${port}
dir ${directory}
sentinel monitor mymaster 127.0.0.1 ${primary} 2
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 3000
`,
  )
  const sentinel = await launch([file, '--sentinel'])
  onTestFinished(() => void sentinel.kill('SIGKILL'))
  return { port }
}

async function launch(settings: readonly string[]): Promise<ChildProcess> {
  if (PROGRAM === undefined) throw new Error('neither valkey-server nor redis-server is installed')
  const isSentinel = settings.includes('--sentinel')
  const server = spawn(PROGRAM, isSentinel ? settings : ['--save', '', ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: server.stdout })) {
    if (/Ready to accept connections|Sentinel ID is|\+monitor/.test(line)) break
  }
  // Without a reader it would block.
  server.stdout.resume()
  return server
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
