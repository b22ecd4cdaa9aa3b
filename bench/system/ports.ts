import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchError } from './bench-error.ts'
import type { RunningProcess } from './processes.ts'

/** Finds a free port for programs that cannot report the port they were assigned. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  server.close()
  await once(server, 'close')
  if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
  return bound.port
}

const DEADLINE_MS = 15_000

/** Resolves when the port accepts connections; rejects if the process has exited. */
export async function untilListening(port: number, started: RunningProcess): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS
  while (!(await isListening(port))) {
    if (performance.now() > deadlineMs) {
      throw new BenchError(`Cannot reach port ${port}: connection refused for 15 s`)
    }
    await Promise.race([sleep(20), started.failed])
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
