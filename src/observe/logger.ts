import { type Logger as PinoLogger, pino } from 'pino'
import { createBoundedWriter } from '../lib/bounded-writer.ts'
import { humanLine } from './human-line.ts'

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'child'>

export type LogOptions = {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly format: 'json' | 'pretty'
  /** A file descriptor that is open. */
  readonly destination: number
  /** Called with the first line that is dropped. */
  readonly onDropping?: (reason: string) => void
}

export type Log = {
  readonly logger: Logger
  /** Also applies to child loggers. */
  readonly setLevel: (level: LogOptions['level']) => void
  /** Starts writing the buffer, and does not wait. */
  readonly flush: () => void
  /** Writes the buffer, for at most `limitMs`. Resolves with the number of lines left unwritten. */
  readonly drain: (limitMs: number) => Promise<number>
  readonly droppedLines: () => number
}

/** About 4,000 lines of requests. */
const MAX_BUFFERED = 1024 * 1024
/** Lines are batched, because a write per request would cost as much as the request. */
const MIN_WRITE = 12 * 1024

export function createLog({ level, format, destination, onDropping }: LogOptions): Log {
  const writer = createBoundedWriter({
    descriptor: destination,
    // At a terminal, each line is written at once.
    minLength: format === 'pretty' ? 0 : MIN_WRITE,
    maxLength: MAX_BUFFERED,
    onRecovered: (lines) => logger.warn({ lines }, 'log lines were dropped'),
    ...(onDropping !== undefined && { onDropping }),
  })
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: createTimestamp(),
      formatters: { level: (label) => ({ level: label }), log: withoutNestedSecrets },
      // Defence in depth: no line should contain such a field.
      redact: { paths: SENSITIVE, censor: REDACTED },
    },
    format === 'pretty' ? { write: (line: string) => writer.write(humanLine(line)) } : writer,
  )
  return {
    logger,
    setLevel(changed) {
      logger.level = changed
    },
    flush: writer.flush,
    drain: writer.drain,
    droppedLines: writer.droppedLines,
  }
}

const SENSITIVE = ['authorization', 'headers', 'secret', 'clientSecret', 'token', 'access_token']
const REDACTED = '[redacted]'

/**
 * Like pino's `redact` with paths such as `*.token`, but a wildcard there makes each line four times as
 * expensive.
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
  const found = SENSITIVE.filter((name) => name in fields)
  // A copy would turn an array into an object.
  if (found.length === 0) return fields
  return { ...fields, ...Object.fromEntries(found.map((name) => [name, REDACTED])) }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Formats the time once per millisecond. */
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
