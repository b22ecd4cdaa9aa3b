import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as z from 'zod'

const CLI = join(import.meta.dirname, '../../dist/cli.js')
const COMMAND_DEADLINE_MS = 60_000
const START_DEADLINE_MS = 30_000

export type SidecarProcess = {
  readonly proxyUrl: string
  /** How many token requests of a credential have failed so far. */
  failures(credential: string): number
  output(): string
  stop(): Promise<void>
}

/** The bundled program. */
export async function startSidecarProcess(configFile: string): Promise<SidecarProcess> {
  const child = spawn(process.execPath, [CLI, 'run', '-c', configFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killChild = (): void => void child.kill('SIGKILL')
  process.once('exit', killChild)
  const exited = once(child, 'exit')
  let output = ''
  const failures = new Map<string, number>()
  const listening = Promise.withResolvers<string>()
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  createInterface({ input: child.stdout }).on('line', (text) => {
    output += `${text}\n`
    const line = logLine.safeParse(parsed(text))
    if (!line.success) return
    const { message, listen, credential } = line.data
    if (message === 'listening' && listen !== undefined) listening.resolve(listen)
    if (message === 'token request failed' && credential !== undefined) {
      failures.set(credential, (failures.get(credential) ?? 0) + 1)
    }
  })
  void exited.then(() => listening.reject(new Error(`the sidecar ended early:\n${output}`)))
  const timer = setTimeout(
    () => listening.reject(new Error(`the sidecar does not listen:\n${output}`)),
    START_DEADLINE_MS,
  )
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const killTimer = setTimeout(killChild, 5_000)
    await exited
    clearTimeout(killTimer)
    process.off('exit', killChild)
  }
  try {
    const proxyUrl = await listening.promise
    return {
      proxyUrl,
      failures: (credential) => failures.get(credential) ?? 0,
      output: () => output,
      stop,
    }
  } catch (error) {
    killChild()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

const logLine = z.object({
  message: z.string(),
  listen: z.string().optional(),
  credential: z.string().optional(),
})

const liveCheck = z.object({
  // Absent from a configuration that is not valid.
  tokens: z
    .array(
      z.object({
        credential: z.string(),
        obtained: z.object({ granted: z.string().nullable() }).nullable(),
        error: z
          .object({ code: z.string(), message: z.string(), advice: z.string().nullish() })
          .nullable(),
      }),
    )
    .default([]),
  problems: z.array(z.object({ path: z.string(), message: z.string() })),
})

export type LiveCheck = z.output<typeof liveCheck>

/** `check --live --json`: a token or an error for each credential. */
export async function checkLive(configFile: string): Promise<LiveCheck> {
  const { stdout, stderr } = await runCli(['check', '--live', '--json', '-c', configFile])
  const result = liveCheck.safeParse(parsed(stdout))
  if (result.success) return result.data
  throw new Error(`Cannot use the output of "check --live --json": ${stdout}${stderr}`)
}

/** `token NAME --reveal`. Undefined if there is none. */
export async function revealToken(configFile: string, name: string): Promise<string | undefined> {
  const { stdout, code } = await runCli(['token', name, '--reveal', '-c', configFile])
  return code === 0 ? stdout.trim() : undefined
}

async function runCli(
  args: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string; readonly code: number }> {
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      [CLI, ...args],
      { timeout: COMMAND_DEADLINE_MS },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ stdout, stderr, code })
      },
    )
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
