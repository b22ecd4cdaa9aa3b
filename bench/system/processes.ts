import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { BenchError } from './bench-error.ts'

type ProcessOptions = {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The allowed processors, such as "0" or "1-3"; by default those of the benchmark. */
  readonly cores?: string | undefined
  /** A file descriptor that receives standard output instead of a pipe. */
  readonly output?: number
}

export type RunningProcess = {
  readonly pid: number
  /** Rejects when the process exits. */
  readonly failed: Promise<never>
  readonly exit: Promise<{ readonly code: number | null; readonly stdout: string }>
  /** The first line of standard output. */
  firstLine(): Promise<string>
  stop(): Promise<void>
}

/** Starts processes, and kills those still running when the benchmark exits. */
export type Processes = {
  start(options: ProcessOptions): RunningProcess
  close(): Promise<void>
}

const START_DEADLINE_MS = 15_000
const STOP_DEADLINE_MS = 3_000
const STDERR_LIMIT_CHARS = 2_000

export function createProcesses(): Processes {
  const running = new Set<RunningProcess>()
  let isClosed = false
  const killAll = (): void => {
    for (const { pid } of running) killGroup(pid, 'SIGKILL')
  }
  process.once('exit', killAll)
  return {
    start(options) {
      if (isClosed) throw new BenchError('Cannot start a process: the benchmark is ending')
      const started = startProcess(options)
      running.add(started)
      void started.exit.finally(() => running.delete(started))
      return started
    },
    async close() {
      isClosed = true
      await Promise.all([...running].map(async (each) => await each.stop()))
      process.off('exit', killAll)
    },
  }
}

function startProcess({ command, args, env, cores, output }: ProcessOptions): RunningProcess {
  const [program, ...rest] =
    cores === undefined ? [command, ...args] : ['taskset', '-c', cores, command, ...args]
  const child = spawn(program, rest, {
    env: { ...(env ?? process.env) },
    stdio: ['ignore', output ?? 'pipe', 'pipe'],
    // A separate process group: Ctrl-C reaches only the benchmark, which then stops the whole group.
    detached: true,
  })
  const kill = (signal: NodeJS.Signals): void => {
    if (child.exitCode === null && child.signalCode === null) killGroup(child.pid, signal)
  }
  let stdout = ''
  let stderrTail = ''
  let isStopping = false
  const line = Promise.withResolvers<string>()
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (text) => {
      stdout += `${text}\n`
      line.resolve(text)
    })
  }
  child.stderr?.on('data', (chunk: Buffer) => {
    stderrTail = (stderrTail + chunk.toString()).slice(-STDERR_LIMIT_CHARS)
  })

  const exit = (async () => {
    try {
      await once(child, 'close')
    } catch (cause) {
      stderrTail += String(cause)
    }
    return { code: child.exitCode, stdout }
  })()
  const failed = exit.then(({ code }): never => {
    const how = child.signalCode ?? `exit code ${code}`
    const detail = stderrTail.trim() === '' ? '' : `:\n${stderrTail.trim()}`
    throw new BenchError(
      `Cannot continue: "${command}" exited ${isStopping ? 'on request' : 'early'} with ${how}${detail}`,
    )
  })
  // Callers race against these promises; without a caller, a rejection is not an unhandled one.
  failed.catch(() => {})
  line.promise.catch(() => {})

  return {
    pid: child.pid ?? 0,
    failed,
    exit,
    async firstLine() {
      const timer = setTimeout(
        () => line.reject(new BenchError(`Cannot start "${command}": no output after 15 s`)),
        START_DEADLINE_MS,
      )
      try {
        return await Promise.race([line.promise, failed])
      } finally {
        clearTimeout(timer)
      }
    },
    async stop() {
      isStopping = true
      kill('SIGTERM')
      const timer = setTimeout(kill, STOP_DEADLINE_MS, 'SIGKILL')
      await exit
      clearTimeout(timer)
    },
  }
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid === 0) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The process has already exited.
  }
}
