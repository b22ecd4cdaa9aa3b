import { type App, startApp } from '../app.ts'
import type { Config } from '../config/schema.ts'
import { stackFrames } from '../lib/stack-frames.ts'
import { createLog, type Log, type Logger } from '../observe/logger.ts'
import type { Tracer } from '../observe/tracer.ts'
import { readTracingSettings, type TracingSettings } from '../observe/tracing-settings.ts'
import { VERSION } from '../version.ts'
import { EXIT, type Io } from './io.ts'
import { configVersion, readRunnableConfig } from './read-config.ts'
import { reloadOnChange } from './reload.ts'
import { SidecarError } from '../errors.ts'
import { startFault } from './start-fault.ts'

export type StartOptions = {
  readonly file: string
  readonly io: Io
  readonly logOutput: LogOutput
  /** Replaces settings of each configuration that is loaded. */
  readonly adapt?: (config: Config) => Config
  /** Receives what ends the process at once, as soon as there is something to end. */
  readonly onEndable: (endNow: () => void) => void
}

/** Where the log is written. */
export type LogOutput = {
  readonly descriptor: number
  /** In messages: "standard output". */
  readonly name: string
  readonly isTerminal: boolean
}

export type Started = {
  readonly app: App
  readonly config: Config
  readonly log: Log
  readonly tracer: Tracer | undefined
  readonly endReloads: () => void
}

/** Starts a sidecar in this process. Resolves with an exit code if it cannot start; then it has reported why. */
export async function start(options: StartOptions): Promise<Started | number> {
  const { file, io, logOutput, adapt = (config: Config) => config, onEndable } = options
  if (io.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    io.err(
      'Cannot run with NODE_TLS_REJECT_UNAUTHORIZED=0: tokens could be sent to any server. Unset it; "tls.ca" names a certificate to trust.\n',
    )
    return EXIT.failed
  }
  const read = await readRunnableConfig(file, io)
  if (read === undefined) return EXIT.configInvalid
  const { text, places } = read
  const config = adapt(read.config)

  const tracing = readTracingSettings(io.env)
  if (!tracing.ok) {
    io.err(`Cannot start: ${tracing.problems.join('; ')}\n`)
    return EXIT.failed
  }

  const isPretty =
    config.log.format === 'auto' ? logOutput.isTerminal : config.log.format === 'pretty'
  const log = createLog({
    level: config.log.level,
    format: isPretty ? 'pretty' : 'json',
    destination: logOutput.descriptor,
    onDropping: (reason) =>
      io.err(
        `Cannot write the log to ${logOutput.name} (${reason}): log lines are being dropped\n`,
      ),
  })
  const { logger } = log
  const endNow = (): void => {
    void log.drain(LAST_DRAIN_MS).then(() => io.exit(EXIT.failed))
  }
  process.on('uncaughtException', (error) => {
    logger.error({ stack: stackFrames(error) }, 'unexpected error, exiting')
    endNow()
  })
  // Node writes warnings to standard error, synchronously.
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message }) =>
    logger.warn({ name, reason: message }, 'Node warning'),
  )
  onEndable(endNow)

  const tracer = tracing.settings && (await startTracing(tracing.settings, logger))
  let app: App
  try {
    app = await startApp({
      config,
      configVersion: configVersion(text),
      places,
      logger,
      tracer,
      droppedLogLines: log.droppedLines,
    })
  } catch (cause) {
    await log.drain(LAST_DRAIN_MS)
    // Such a message says by itself what cannot be done.
    io.err(
      cause instanceof SidecarError ? `${cause.message}\n` : `Cannot start: ${startFault(cause)}\n`,
    )
    return EXIT.failed
  }
  const endReloads = reloadOnChange({
    file,
    io,
    app,
    text,
    logger,
    adapt,
    onLoaded: ({ log: { level } }) => log.setLevel(level),
  })
  return { app, config, log, tracer, endReloads }
}

/** Shuts down within `shutdown.delay` and `shutdown.deadline`. */
export async function stop(started: Started, logOutput: LogOutput, io: Io): Promise<void> {
  const { app, log, tracer, endReloads } = started
  const { logger } = log
  endReloads()
  log.flush()
  const endsAtMs = performance.now() + app.shutdownMs()
  const remainingMs = (): number => Math.max(0, endsAtMs - performance.now())
  await within(remainingMs() + CLOSE_GRACE_MS, app.close())
  const isExported = (await tracer?.close(Math.min(FLUSH_MS, remainingMs()))) ?? true
  const { requests, tunnels, tokenRequests } = app.pending()
  if (requests > 0 || tunnels > 0 || tokenRequests.length > 0 || !isExported) {
    const traces = isExported ? undefined : 'not exported'
    logger.warn({ requests, tunnels, tokenRequests, traces }, 'exiting with work pending')
  }
  logger.info({}, 'stopped')
  const unwritten = await log.drain(Math.max(LAST_DRAIN_MS, Math.min(FLUSH_MS, remainingMs())))
  const lost = unwritten + log.droppedLines()
  if (lost > 0) io.err(`Log lines that could not be written to ${logOutput.name}: ${lost}\n`)
}

/** The time limit for the last spans, and for the last log lines. */
const FLUSH_MS = 2_000
/** The time limit for the last log lines after the deadline. */
const LAST_DRAIN_MS = 250
/** Closing ends at the deadline; this is for the case that it does not. */
const CLOSE_GRACE_MS = 250

/** Waits for `work`, for at most `limitMs`. */
async function within(limitMs: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, limitMs)
  await Promise.race([work, promise])
  clearTimeout(timer)
}

/** Imported dynamically, because OpenTelemetry costs memory and start time. */
async function startTracing(settings: TracingSettings, logger: Logger): Promise<Tracer> {
  const { createOpenTelemetryTracer } = await import('../observe/open-telemetry.ts')
  logger.info({ receiver: new URL(settings.url).origin, protocol: settings.protocol }, 'tracing')
  return createOpenTelemetryTracer({ settings, version: VERSION, logger })
}
