import { type App, startApp } from '../app.ts'
import { stackFrames } from '../lib/stack-frames.ts'
import { createLog, type Log, type Logger } from '../observe/logger.ts'
import type { Tracer } from '../observe/tracer.ts'
import { readTracingSettings, type TracingSettings } from '../observe/tracing-settings.ts'
import { VERSION } from '../version.ts'
import { EXIT, type Io } from './io.ts'
import { configVersion, readRunnableConfig } from './read-config.ts'
import { reloadOnChange } from './reload.ts'

/** `run`: until SIGTERM or SIGINT, which drain requests in flight; a second signal exits at once. */
export async function run(file: string, io: Io): Promise<number> {
  // Before anything that may hang: process 1 of a container has no default signal handlers.
  const signals = catchSignals()
  const first = await Promise.race([start(file, io, signals), signals.first])
  if (typeof first === 'number') {
    signals.release()
    return first
  }
  if (typeof first === 'string') {
    io.err(`Stopped by ${first} before the start was complete\n`)
    return EXIT.ok
  }
  return await serve(first, signals, io)
}

type Started = {
  readonly app: App
  readonly log: Log
  readonly tracer: Tracer | undefined
  readonly endReloads: () => void
}

/** Resolves with an exit code if the sidecar cannot start. */
async function start(file: string, io: Io, signals: Signals): Promise<Started | number> {
  if (io.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    io.err(
      'Cannot run with NODE_TLS_REJECT_UNAUTHORIZED=0: tokens could be sent to any server. Unset it; "tls.ca" names a certificate to trust.\n',
    )
    return EXIT.failed
  }
  const read = await readRunnableConfig(file, io)
  if (read === undefined) return EXIT.configInvalid
  const { text, config, places } = read

  const tracing = readTracingSettings(io.env)
  if (!tracing.ok) {
    io.err(`Cannot start: ${tracing.problems.join('; ')}\n`)
    return EXIT.failed
  }

  const isPretty = config.log.format === 'auto' ? io.isTerminal : config.log.format === 'pretty'
  const log = createLog({
    level: config.log.level,
    format: isPretty ? 'pretty' : 'json',
    destination: STDOUT,
    onDropping: (reason) =>
      io.err(`Cannot write the log to standard output (${reason}): log lines are being dropped\n`),
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
  signals.onSecond(endNow)

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
    io.err(`Cannot start: ${startFault(cause)}\n`)
    return EXIT.failed
  }
  const endReloads = reloadOnChange({
    file,
    io,
    app,
    text,
    logger,
    onLoaded: ({ log: { level } }) => log.setLevel(level),
  })
  const { proxyUrl, listeners, adminUrl } = app
  // Half of the heap is garbage from starting, which V8 would not collect before there is load.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  logger.info(
    {
      version: VERSION,
      listen: proxyUrl,
      ...(listeners.length > 1 && { listeners }),
      admin: adminUrl,
      config: file,
    },
    'listening',
  )
  // Flushed, because scripts wait for this line.
  log.flush()
  return { app, log, tracer, endReloads }
}

/** Serves until the first signal, then shuts down within `shutdown.delay` and `shutdown.deadline`. */
async function serve(started: Started, signals: Signals, io: Io): Promise<number> {
  const { app, log, tracer, endReloads } = started
  const { logger } = log
  const signal = await Promise.race([signals.first, app.quit.then(() => 'quit')])
  endReloads()
  logger.info({ signal }, 'shutting down')
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
  if (lost > 0) io.err(`Log lines that could not be written to standard output: ${lost}\n`)
  return EXIT.ok
}

const STDOUT = 1
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

type Signals = {
  readonly first: Promise<NodeJS.Signals>
  /** What the second signal does; the first one only resolves `first`. */
  readonly onSecond: (callback: () => void) => void
  readonly release: () => void
}

function catchSignals(): Signals {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let received = 0
  let second: (() => void) | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    received += 1
    if (received === 1) resolve(signal)
    else second?.()
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return {
    first: promise,
    onSecond(callback) {
      second = callback
    },
    release() {
      for (const signal of SIGNALS) process.off(signal, onSignal)
    },
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Why a listener cannot be opened. */
function startFault(cause: unknown): string {
  if (!(cause instanceof Error) || !('code' in cause)) return stackFrames(cause)
  const host = textOf(cause, 'address') ?? textOf(cause, 'hostname') ?? ''
  const port = textOf(cause, 'port')
  const place = port === undefined || port === '-1' ? host : `${host}:${port}`
  switch (cause.code) {
    case 'EADDRINUSE': {
      return `address already in use: "${place}"; set "listen" or "admin" to another address`
    }
    case 'EACCES': {
      return `permission denied: "${place}"`
    }
    case 'EADDRNOTAVAIL': {
      return `"${place}" is not an address of this machine`
    }
    case 'ENOTFOUND':
    case 'EAI_AGAIN': {
      return `the host name "${place}" of "listen" or "admin" cannot be resolved`
    }
    case 'ENOENT': {
      return `the directory of "${place}" does not exist`
    }
    default: {
      return `${String(cause.code)} ${place}`
    }
  }
}

function textOf(error: object, key: string): string | undefined {
  const value: unknown = Object.entries(error).find(([name]) => name === key)?.[1]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
