import { type Logger as PinoLogger, pino } from 'pino'
import { createBoundedWriter } from '../lib/bounded-writer.ts'
import { humanLine } from './human-line.ts'

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error' | 'child'>

export type LogOptions = {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly format: 'json' | 'pretty'
  /** A file descriptor that is open. */
  readonly destination: number
  /** Called when lines begin to be dropped, because the destination does not take them. */
  readonly onDropping?: (reason: string) => void
}

export type Log = {
  readonly logger: Logger
  /** From now on, for the logger and those made of it. */
  readonly setLevel: (level: LogOptions['level']) => void
  /** Starts to write what is buffered, and does not wait. */
  readonly flush: () => void
  /** Writes what is buffered, for at most `limitMs`. Resolves with the number of lines left unwritten. */
  readonly drain: (limitMs: number) => Promise<number>
  readonly droppedLines: () => number
}

/** About 4,000 lines of requests. */
const MAX_BUFFERED = 1024 * 1024
/** Lines are collected: a write for each request would cost as much as the request itself. */
const MIN_WRITE = 12 * 1024

export function createLog({ level, format, destination, onDropping }: LogOptions): Log {
  const writer = createBoundedWriter({
    descriptor: destination,
    // A person at a terminal wants each line at once.
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
      // Lines are made of chosen fields only; this is for the day when one is chosen badly.
      redact: { paths: UNWANTED, censor: REDACTED },
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
