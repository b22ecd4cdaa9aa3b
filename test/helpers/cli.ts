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

/** A command line, run in this process; by a person, if it is on a terminal. */
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
  /** Another Node than this one. */
  readonly node?: string
  /** After which it is killed. */
  readonly timeoutMs?: number
}

/** The program as it ships, `dist/cli.js`, until it ends or the test does. */
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

/** The program with a configuration file, once it listens. */
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
  // Also one that was expected to end and does not.
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** A configuration file in a directory of its own. */
export async function writeConfig(yaml: string): Promise<string> {
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  await writeFile(file, yaml)
  return file
}
