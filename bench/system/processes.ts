import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { BenchError } from './bench-error.ts'

type ProcessOptions = {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The processors that it may run on, as "0" or "1-3"; where left out, those of the benchmark. */
  readonly cores?: string | undefined
  /** A file descriptor for its standard output, instead of reading it here. */
  readonly output?: number
}

export type RunningProcess = {
  readonly pid: number
  /** Rejects when it has ended without having been asked to. */
  readonly failed: Promise<never>
  readonly exit: Promise<{ readonly code: number | null; readonly stdout: string }>
  /** The first line that it writes. */
  firstLine(): Promise<string>
  stop(): Promise<void>
}

/** Starts processes, and ends all of them with itself, whatever happens. */
export type Processes = {
  start(options: ProcessOptions): RunningProcess
  close(): Promise<void>
}

const START_DEADLINE_MS = 15_000
const STOP_DEADLINE_MS = 3_000
const SHOWN_COMPLAINTS = 2_000

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
    // In a group of its own: Ctrl-C is for the benchmark, which then ends it with its children.
    detached: true,
  })
  const kill = (signal: NodeJS.Signals): void => {
    if (child.exitCode === null && child.signalCode === null) killGroup(child.pid, signal)
  }
  let stdout = ''
  let complaints = ''
  let isStopping = false
  const line = Promise.withResolvers<string>()
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (text) => {
      stdout += `${text}\n`
      line.resolve(text)
    })
  }
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-SHOWN_COMPLAINTS)
  })

  const exit = (async () => {
    try {
      await once(child, 'close')
    } catch (cause) {
      complaints += String(cause)
    }
    return { code: child.exitCode, stdout }
  })()
  const failed = exit.then(({ code }): never => {
    const how = child.signalCode ?? `exit code ${code}`
    const said = complaints.trim() === '' ? '' : `:\n${complaints.trim()}`
    throw new BenchError(
      `Cannot go on with "${command}": it ended ${isStopping ? 'on request' : 'early'}, with ${how}${said}`,
    )
  })
  // Whoever waits for something of it races against this; nobody else has to.
  failed.catch(() => {})
  line.promise.catch(() => {})

  return {
    pid: child.pid ?? 0,
    failed,
    exit,
    async firstLine() {
      const timer = setTimeout(
        () => line.reject(new BenchError(`Cannot start "${command}": it says nothing`)),
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
    // It has just ended.
  }
}
