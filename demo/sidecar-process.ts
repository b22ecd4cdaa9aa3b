import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { StartError } from './start-error.ts'

export type SidecarProcess = {
  readonly pid: number | undefined
  readonly proxyUrl: string
  readonly adminUrl: string
  /** Resolves with a description of how it ended. */
  readonly ended: Promise<string>
  /** Calls `listener` for every line that it writes from now on. */
  onLine(listener: (line: string) => void): void
  stop(): Promise<void>
}

export type SidecarProcessOptions = {
  readonly configFile: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Stops waiting for the start. */
  readonly signal: AbortSignal
}

const PROGRAM = join(import.meta.dirname, '..', 'src', 'cli.ts')
const START_DEADLINE_MS = 15_000
const READY_DEADLINE_MS = 5_000
const STOP_DEADLINE_MS = 5_000

/** Starts the program in its own process. Resolves when it is ready. */
export async function startSidecarProcess(options: SidecarProcessOptions): Promise<SidecarProcess> {
  const { configFile, env, signal } = options
  const child = spawn(process.execPath, [PROGRAM, 'run', '-c', configFile], {
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // In its own process group, because Ctrl-C ends the demo, which then stops the sidecar.
    detached: true,
    windowsHide: true,
  })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const listeners: ((line: string) => void)[] = []
  const listening = Promise.withResolvers<z.output<typeof listeningLine>>()
  const ended = endOf(child).finally(() => process.off('exit', kill))
  let complaints = ''

  createInterface({ input: child.stdout }).on('line', (line) => {
    const parsed = listeningLine.safeParse(parseJson(line))
    if (parsed.success) listening.resolve(parsed.data)
    for (const listener of listeners) listener(line)
  })
  createInterface({ input: child.stderr }).on('line', (line) => {
    complaints += `\n  ${line}`
    for (const listener of listeners) listener(line)
  })

  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = setTimeout(kill, STOP_DEADLINE_MS)
    await ended
    clearTimeout(timer)
  }

  const fail = (why: string): void =>
    listening.reject(new StartError(`Cannot start the sidecar: ${why}${complaints}`))
  const timer = setTimeout(
    () => fail('it has not logged that it listens; are log.level and log.format changed?'),
    START_DEADLINE_MS,
  )
  signal.addEventListener('abort', () => listening.reject(signal.reason), { once: true })
  void ended.then((how) => fail(`it ended ${how}`))
  try {
    const { listen: proxyUrl, admin: adminUrl } = await listening.promise
    await untilReady(adminUrl, signal)
    const onLine: SidecarProcess['onLine'] = (listener) => void listeners.push(listener)
    return { pid: child.pid, proxyUrl, adminUrl, ended, onLine, stop }
  } catch (cause) {
    await stop()
    throw cause
  } finally {
    clearTimeout(timer)
  }
}

const listeningLine = z.object({
  message: z.literal('listening'),
  listen: z.string(),
  admin: z.string(),
})

const readiness = z.object({ ready: z.boolean(), reasons: z.array(z.string()) })

async function untilReady(adminUrl: string, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + READY_DEADLINE_MS
  for (;;) {
    const response = await fetch(`${adminUrl}/readyz`, { signal })
    const { ready, reasons } = readiness.parse(await response.json())
    if (ready) return
    if (performance.now() > deadlineMs) {
      throw new StartError(`The sidecar runs, but is not ready:\n  ${reasons.join('\n  ')}`)
    }
    await sleep(50, undefined, { signal })
  }
}

async function endOf(child: ReturnType<typeof spawn>): Promise<string> {
  try {
    await once(child, 'close')
    const { exitCode, signalCode } = child
    return signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`
  } catch (cause) {
    return `before it began (${String(cause)})`
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined // Not from the sidecar, such as a warning of Node.
  }
}
