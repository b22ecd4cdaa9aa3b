import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { startApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createFileReader } from '../../src/config/read-file.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/observe/logger.ts'
import { upstreamClient } from './upstream-client.ts'

export type RunningSidecar = {
  /** Of the first listener. */
  readonly proxyUrl: string
  /** The URL of the listener with this name. */
  urlOf(listener: string): string
  readonly adminUrl: string
  /** Everything logged so far. */
  logs(): Promise<string>
  close(): Promise<void>
}

type Environment = Readonly<Record<string, string | undefined>>

/** A directory that is removed at the end of the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'token-sidecar-'))
  onTestFinished(async () => await rm(directory, { recursive: true, force: true }))
  return directory
}

/**
 * A sidecar in this process, on free ports, with the configuration `yaml` (without `listen` and
 * `admin`). The log level is debug, so that tests that search the log for secrets see everything.
 */
export async function startSidecar(
  yaml: string,
  env: Environment = {},
  listen = '127.0.0.1:0',
  admin = '127.0.0.1:0',
  clock: Clock = systemClock,
): Promise<RunningSidecar> {
  const directory = await temporaryDirectory()
  const places = {
    env,
    readFile: createFileReader(directory),
    resolvePath: (path: string) => resolve(directory, path),
  }
  const result = await loadConfig(`listen: ${listen}\nadmin: ${admin}\n${yaml}`, places)
  if (!result.ok) throw new Error(JSON.stringify(result.problems, undefined, 2))
  const logFile = join(directory, 'log')
  const log = createLog({ level: 'debug', format: 'json', destination: openSync(logFile, 'a') })
  const app = await startApp({
    config: result.config,
    configVersion: 'first',
    places,
    logger: log.logger,
    openUpstream: upstreamClient,
    clock,
  })
  let closed = false
  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    await app.close()
    await log.drain(10_000)
  }
  onTestFinished(close)
  return {
    proxyUrl: app.proxyUrl,
    urlOf: (listener) => app.listeners.find(({ name }) => name === listener)?.url ?? '',
    adminUrl: app.adminUrl,
    close,
    async logs() {
      await log.drain(10_000)
      return await readFile(logFile, 'utf8')
    },
  }
}

export type RunningProgram = {
  readonly proxyUrl: string
  readonly adminUrl: string
  readonly process: ChildProcess
  /** Everything that the process has written to standard output and standard error. */
  output(): string
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<{ code: number | null }>
}

/** Starts `dist/cli.js` in a child process. */
export async function startProgram(yaml: string, env: Environment = {}): Promise<RunningProgram> {
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  await writeFile(file, `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n${yaml}`)
  return await startProgramAt(file, env)
}

/** Starts `dist/cli.js` with a given configuration file. */
export async function startProgramAt(file: string, env: Environment = {}): Promise<RunningProgram> {
  const child = spawn(process.execPath, ['dist/cli.js', 'run', '-c', file], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await exited
    }
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const listening = Promise.withResolvers<{ listen: string; admin: string }>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`
    if (line.includes('"message":"listening"')) listening.resolve(JSON.parse(line))
  })
  void exited.then(() => listening.reject(new Error(`the program ended early: ${output}`)))
  const { listen, admin } = await listening.promise
  return {
    proxyUrl: listen,
    adminUrl: admin,
    process: child,
    output: () => output,
    async stop() {
      child.kill('SIGTERM')
      const [code]: (number | null)[] = await exited
      return { code: code ?? null }
    },
  }
}
