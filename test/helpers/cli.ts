import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { temporaryDirectory } from './sidecar.ts'

export type Outcome = {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

type Environment = Readonly<Record<string, string>>

/** Runs a command line in this process. */
export async function runCommand(
  args: readonly string[],
  env: Environment = {},
  isTerminal = false,
): Promise<Outcome> {
  let out = ''
  let err = ''
  const code = await main(args, {
    out(part) {
      out += part
    },
    err(part) {
      err += part
    },
    env,
    isTerminal,
    isErrTerminal: isTerminal,
    exit(exitCode) {
      throw new Error(`expected no exit, got exit code ${exitCode}`)
    },
  })
  return { code, out, err }
}

type ProgramOptions = {
  readonly env?: Environment
  readonly cwd?: string
  /** The path of another Node. */
  readonly node?: string
  /** Kills the program after this time. */
  readonly timeoutMs?: number
}

/** Runs `dist/cli.js` until it ends; kills it at the end of the test. */
export async function runProgram(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Outcome> {
  const child = spawnProgram(args, options)
  const [out, err] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code: child.exitCode, out, err }
}

export type Running = {
  readonly process: ChildProcess
  readonly proxyUrl: string
  readonly exited: Promise<unknown>
}

/** Starts `dist/cli.js` and waits until it listens. */
export async function startRun(file: string): Promise<Running> {
  const child = spawnProgram(['run', '-c', file])
  const exited = once(child, 'exit')
  const errors = text(child.stderr)
  const listening = Promise.withResolvers<{ readonly listen: string }>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.includes('"message":"listening"')) listening.resolve(JSON.parse(line))
  })
  const ended = exited.then(async () => {
    throw new Error(`the program ended early: ${await errors}`)
  })
  ended.catch(() => {})
  const { listen } = await Promise.race([listening.promise, ended])
  return { process: child, proxyUrl: listen, exited }
}

function spawnProgram(args: readonly string[], options: ProgramOptions = {}) {
  const { env = {}, cwd, node, timeoutMs } = options
  const bundle = join(import.meta.dirname, '../../dist/cli.js')
  const child = spawn(node ?? process.execPath, [bundle, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  // Needed if the program does not end as expected.
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Writes a configuration file in a new temporary directory. */
export async function writeConfig(yaml: string): Promise<string> {
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  await writeFile(file, yaml)
  return file
}
