import { type App, startApp } from '../app.ts'
import { stackFrames } from '../lib/stack-frames.ts'
import { createLog, type Logger } from '../observe/logger.ts'
import type { Tracer } from '../observe/tracer.ts'
import { readTracingSettings, type TracingSettings } from '../observe/tracing-settings.ts'
import { VERSION } from '../version.ts'
import { dropWhatStartingLeft, keepRequestsYoung } from './garbage-collection.ts'
import { EXIT, type Io } from './io.ts'
import { configVersion, readRunnableConfig } from './read-config.ts'
import { reloadOnChange } from './reload.ts'

/** `run`: until SIGTERM or SIGINT, which let running requests finish; a second one does not wait. */
export async function run(file: string, io: Io): Promise<number> {
  if (io.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    io.err(
      'Cannot run with NODE_TLS_REJECT_UNAUTHORIZED=0: tokens would go to anybody. Unset it; "tls.ca" names a certificate to trust.\n',
    )
    return EXIT.failed
  }
  const read = await readRunnableConfig(file, io)
  if (read === undefined) return EXIT.configInvalid
  const { text, config, places } = read
  keepRequestsYoung()

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
  })
  const { logger } = log
  process.on('uncaughtException', (error) => {
    logger.error({ stack: stackFrames(error) }, 'unexpected error, ending')
    log.flush()
    io.exit(EXIT.failed)
  })

  // From the start: as the first process of a container, nobody else would listen.
  const signalled = firstSignal(() => {
    log.flush()
    io.exit(EXIT.failed)
  })
  const tracer = tracing.settings && (await startTracing(tracing.settings, logger))
  let app: App
  try {
    app = await startApp({ config, configVersion: configVersion(text), places, logger, tracer })
  } catch (cause) {
    log.flush()
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
  const { proxyUrl, adminUrl } = app
  dropWhatStartingLeft()
  logger.info({ version: VERSION, listen: proxyUrl, admin: adminUrl, config: file }, 'listening')
  // Whoever waits for this line, to send a signal, say, shall not wait for others to follow it.
  log.flush()

  const signal = await Promise.race([signalled, app.quit.then(() => 'quit')])
  endReloads()
  logger.info({ signal }, 'shutting down')
  await app.close()
  const isFlushed = (await tracer?.close(FLUSH_MS)) ?? true
  logger.info({}, 'stopped')
  log.flush()
  // An exporter that still tries would keep the process alive.
  if (!isFlushed) io.exit(EXIT.ok)
  return EXIT.ok
}

const STDOUT = 1
/** What the last spans may take, behind all else that ends. */
const FLUSH_MS = 2_000

/** Loaded only here: who does not trace does not pay for what it takes. */
async function startTracing(settings: TracingSettings, logger: Logger): Promise<Tracer> {
  const { createOpenTelemetryTracer } = await import('../observe/open-telemetry.ts')
  logger.info({ receiver: new URL(settings.url).origin, protocol: settings.protocol }, 'tracing')
  return createOpenTelemetryTracer({ settings, version: VERSION, logger })
}

async function firstSignal(onSecond: () => void): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let received = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      received += 1
      if (received === 1) resolve(signal)
      else onSecond()
    })
  }
  return await promise
}

/** What keeps a listener from opening, in words. */
function startFault(cause: unknown): string {
  if (!(cause instanceof Error) || !('code' in cause)) return stackFrames(cause)
  const host = textOf(cause, 'address') ?? textOf(cause, 'hostname') ?? ''
  const port = textOf(cause, 'port')
  const place = port === undefined || port === '-1' ? host : `${host}:${port}`
  switch (cause.code) {
    case 'EADDRINUSE': {
      return `"${place}" is in use by another process; set "listen" or "admin" to another address`
    }
    case 'EACCES': {
      return `no permission to listen on "${place}"`
    }
    case 'EADDRNOTAVAIL': {
      return `"${place}" is not an address of this machine`
    }
    case 'ENOTFOUND':
    case 'EAI_AGAIN': {
      return `the host name "${place}" of "listen" or "admin" is not known`
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
