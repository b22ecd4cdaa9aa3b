import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Config } from '../config/schema.ts'
import { unreadableReason } from '../config/read-file.ts'
import { execBundle, execConfig } from './exec-config.ts'
import type { Io } from './io.ts'
import { namedLoopbackHosts } from './named-hosts.ts'
import { programVariables, type TrustFiles } from './program-variables.ts'
import { programWarnings } from './program-warnings.ts'
import { FORWARDED_SIGNALS, runCommand, signalExitCode } from './run-command.ts'
import { secretVariables } from './secret-variables.ts'
import { catchSignals } from './signals.ts'
import { type LogOutput, start, type Started, stop } from './start.ts'
import { writeWgetrc } from './wgetrc.ts'

export type ExecOptions = {
  readonly file: string
  readonly command: readonly string[]
  /** The file for the log; undefined for standard error, where only warnings and errors are logged. */
  readonly logFile: string | undefined
  /** How long to wait for the tokens. */
  readonly readyTimeoutMs: number
  /** Called when the command has ended, while the sidecar still runs. Standard output is for its report. */
  readonly observe?: (observed: ObservedCommand) => Promise<void>
}

type ObservedCommand = {
  readonly app: App
  readonly config: Config
  /** The environment of the command. */
  readonly env: Readonly<Record<string, string>>
}

/** The command was not run, as `env` and `docker run` report it. */
const NOT_RUN = 125

/** `exec`: runs a command with a sidecar of its own, and exits with the exit code of the command. */
export async function exec(options: ExecOptions, io: Io): Promise<number> {
  const { file, command, logFile, readyTimeoutMs, observe } = options
  const stopped = Promise.withResolvers<undefined>()
  let stopSignal: NodeJS.Signals | undefined
  let onSignal = (signal: NodeJS.Signals): void => {
    stopSignal ??= signal
    stopped.resolve(undefined)
  }
  let exitCode = NOT_RUN
  using cleanup = new DisposableStack()
  cleanup.defer(catchSignals(FORWARDED_SIGNALS, (signal) => onSignal(signal)))
  const logOutput = openLog(logFile, io)
  if (logOutput === undefined) return NOT_RUN
  const directory = createDirectory(io)
  if (directory === undefined) return NOT_RUN
  const removeDirectory = (): void => rmSync(directory, { recursive: true, force: true })
  cleanup.defer(removeDirectory)

  let endSidecar: (() => void) | undefined
  const starting = startReady({
    file,
    logOutput,
    readyTimeoutMs,
    adapt: (config) => execConfig(config, { directory, isQuiet: logFile === undefined }),
    // After an unexpected error, the command could not reach its APIs any more.
    io: {
      ...io,
      exit() {
        onSignal('SIGTERM')
        removeDirectory()
        io.exit(exitCode)
      },
    },
    onEndable(endNow) {
      endSidecar = endNow
    },
  })
  const started = await Promise.race([starting, stopped.promise])
  const env = started && (await commandEnvironment(started, directory, io))
  if (stopSignal !== undefined) {
    io.err(`Stopped by ${stopSignal} before the command was run\n`)
    return signalExitCode(stopSignal)
  }
  if (started === undefined || env === undefined) return NOT_RUN
  const { app, config } = started
  for (const warning of programWarnings(config, io.env)) io.err(`warning: ${warning}\n`)
  const { ended, forward } = runCommand(command, env, observe && 'stderr')
  onSignal = forward
  const end = await ended
  if (end.fault !== undefined) io.err(`${end.fault}\n`)
  exitCode = end.exitCode
  await observe?.({ app, config, env })
  onSignal = () => {
    onSignal = () => {}
    endSidecar?.()
  }
  await stop(started, logOutput, io)
  return exitCode
}

/** Only its owner can read it. */
function createDirectory({ err }: Io): string | undefined {
  try {
    return mkdtempSync(join(tmpdir(), 'token-sidecar-exec-'))
  } catch (cause) {
    err(
      `Cannot create a directory in "${tmpdir()}": ${unreadableReason(cause)}; TMPDIR names another place\n`,
    )
    return undefined
  }
}

/** Without the secrets, which only the sidecar needs. */
async function commandEnvironment(
  { app, config }: Started,
  directory: string,
  { env }: Io,
): Promise<Record<string, string>> {
  const secrets = secretVariables(config, env)
  const inherited = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || secrets.has(name) ? [] : [[name, value] as const],
  )
  const setup = {
    proxyUrl: app.proxyUrl,
    proxiedLoopback: namedLoopbackHosts(config),
    trust: config.intercept && (await trustFiles(config.intercept, directory, env)),
  }
  return { ...Object.fromEntries(inherited), ...programVariables(setup, env) }
}

async function trustFiles(
  { bundle }: NonNullable<Config['intercept']>,
  directory: string,
  env: Io['env'],
): Promise<TrustFiles> {
  const { pem, pkcs12 } = execBundle(directory)
  const wgetrc = join(directory, 'exec.wgetrc')
  await writeWgetrc(wgetrc, pem, env)
  return { pem, pkcs12: { path: pkcs12, password: bundle.password }, wgetrc }
}

type StartReadyOptions = Parameters<typeof start>[0] & { readonly readyTimeoutMs: number }

/** Starts the sidecar and waits for its tokens. Resolves with undefined after it has reported why it cannot be used. */
async function startReady(options: StartReadyOptions): Promise<Started | undefined> {
  const { io, logOutput, readyTimeoutMs } = options
  const started = await start(options)
  if (typeof started === 'number') return undefined
  const reasons = await waitUntilReady(started.app, readyTimeoutMs)
  if (reasons.length === 0) return started
  io.err(`Cannot run the command: the sidecar is not ready: ${reasons.join('; ')}\n`)
  await stop(started, logOutput, io)
  return undefined
}

const READY_POLL_MS = 10

/** Returns why the sidecar is not ready; nothing if it is. A rejected client is not waited for. */
async function waitUntilReady({ readiness }: App, timeoutMs: number): Promise<readonly string[]> {
  const endsAtMs = performance.now() + timeoutMs
  for (;;) {
    const { ready, reasons, isRejected } = readiness()
    if (ready) return []
    if (isRejected || performance.now() > endsAtMs) return reasons
    await delay(READY_POLL_MS)
  }
}

const STDERR = 2

/** Never standard output, which belongs to the command. */
function openLog(file: string | undefined, { err, isErrTerminal }: Io): LogOutput | undefined {
  if (file === undefined) {
    return { descriptor: STDERR, name: 'standard error', isTerminal: isErrTerminal }
  }
  try {
    return { descriptor: openSync(file, 'a', 0o600), name: file, isTerminal: false }
  } catch (cause) {
    err(`Cannot write the log to "${file}": ${unreadableReason(cause)}\n`)
    return undefined
  }
}
