import { type Logger as PinoLogger, pino } from 'pino'
import pretty from 'pino-pretty'
import { humanLine } from './human-line.ts'

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'child'>

export type LogOptions = {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly format: 'json' | 'pretty'
  /** A file descriptor that is open. */
  readonly destination: number
}

export type Log = {
  readonly logger: Logger
  /** From now on, for the logger and those made of it. */
  setLevel(level: LogOptions['level']): void
  /** Writes out what is still collected. */
  flush(): void
}

export function createLog({ level, format, destination }: LogOptions): Log {
  const stream = format === 'pretty' ? prettyStream(destination) : bufferedStream(destination)
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: createTimestamp(),
      formatters: { level: (label) => ({ level: label }), log: withoutNestedSecrets },
      // Lines are made of chosen fields only; this is for the day when one is chosen badly.
      redact: { paths: UNWANTED, censor: REDACTED },
    },
    stream,
  )
  return {
    logger,
    setLevel(changed) {
      logger.level = changed
    },
    flush: () => stream.flushSync?.(),
  }
}

const UNWANTED = ['authorization', 'headers', 'secret', 'clientSecret', 'token', 'access_token']
const REDACTED = '[redacted]'

/**
 * What pino's `redact` would do for paths such as `*.token`; but there, a wildcard makes each line take
 * four times as long.
 */
function withoutNestedSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  if (!Object.values(fields).some(isObject)) return fields
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      isObject(value) ? withoutSecrets(value) : value,
    ]),
  )
}

function withoutSecrets(fields: object): object {
  const found = UNWANTED.filter((name) => name in fields)
  // Not a copy without need: an array, say, would not be one any more.
  if (found.length === 0) return fields
  return { ...fields, ...Object.fromEntries(found.map((name) => [name, REDACTED])) }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** The field that says when, which is the same for all lines of one millisecond. */
function createTimestamp(): () => string {
  let lastMs = Number.NaN
  let field = ''
  return () => {
    const nowMs = Date.now()
    if (nowMs !== lastMs) {
      lastMs = nowMs
      field = `,"time":"${new Date(nowMs).toISOString()}"`
    }
    return field
  }
}

/** Lines are collected: a write for each request would cost as much as the request itself. */
function bufferedStream(destination: number) {
  return pino.destination({
    dest: destination,
    sync: false,
    minLength: 12 * 1024,
    periodicFlush: 250,
  })
}

/** For a person at a terminal, who wants each line at once. */
function prettyStream(destination: number): {
  write(line: string): void
  flushSync?(): void
} {
  return pretty({
    destination,
    colorize: true,
    messageKey: 'message',
    translateTime: 'SYS:HH:MM:ss.l',
    hideObject: true,
    messageFormat: humanLine,
    sync: true,
  })
}
