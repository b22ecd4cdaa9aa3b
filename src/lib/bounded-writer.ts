import { constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'

/**
 * Writes lines to a file descriptor without blocking the event loop. Lines that cannot be written yet are
 * buffered up to a limit; further lines are dropped and counted.
 */
export type BoundedWriter = {
  /** One line, with its line break. */
  readonly write: (line: string) => void
  /** Starts writing the buffer, and does not wait. */
  readonly flush: () => void
  /** Writes the buffer, for at most `limitMs`. Resolves with the number of lines left unwritten. */
  readonly drain: (limitMs: number) => Promise<number>
  /** How many lines have been dropped so far. */
  readonly droppedLines: () => number
}

export type BoundedWriterOptions = {
  readonly descriptor: number
  /** The buffer is written as soon as it holds this much; 0 writes each line at once. */
  readonly minLength: number
  /** The limit of the buffer. */
  readonly maxLength: number
  /** Called with the first line that is dropped; `reason` is a system error code, or `EAGAIN`. */
  readonly onDropping?: (reason: string) => void
  /** Called when lines are written again. */
  readonly onRecovered?: (droppedLines: number) => void
}

/** How long a line may stay in the buffer. */
const FLUSH_INTERVAL_MS = 250
/** The first and the longest delay before a retry while the destination is full. */
const FIRST_RETRY_MS = 2
const MAX_RETRY_MS = 250

export function createBoundedWriter(options: BoundedWriterOptions): BoundedWriter {
  const { descriptor, minLength, maxLength, onDropping, onRecovered } = options
  let output: Output | undefined
  let buffered = ''
  /** The part being written, and how much of it is written. */
  let chunk: Buffer | undefined
  let offset = 0
  let isWriting = false
  let timer: NodeJS.Timeout | undefined
  let retryMs = FIRST_RETRY_MS
  let lastError = 'EAGAIN'
  let dropped = 0
  let droppedInOutage = 0
  let onSettled: (() => void) | undefined

  function start(): void {
    if (isWriting) return
    clearTimeout(timer)
    timer = undefined
    if (chunk === undefined) {
      if (buffered === '') {
        onSettled?.()
        return
      }
      chunk = Buffer.from(buffered)
      offset = 0
      buffered = ''
    }
    isWriting = true
    output ??= openOutput(descriptor)
    if (output.isNonBlocking) {
      try {
        finish(null, writeSync(output.descriptor, chunk, offset))
      } catch (error) {
        finish(error, 0)
      }
    } else write(output.descriptor, chunk, offset, chunk.length - offset, null, finish)
  }

  function finish(error: unknown, written: number): void {
    isWriting = false
    if (error !== null) {
      lastError = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      scheduleStart(retryMs)
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)
      onSettled?.()
      return
    }
    retryMs = FIRST_RETRY_MS
    offset += written
    if (chunk !== undefined && offset >= chunk.length) chunk = undefined
    if (droppedInOutage > 0 && chunk === undefined) {
      const lost = droppedInOutage
      droppedInOutage = 0
      onRecovered?.(lost)
    }
    if (chunk !== undefined || onSettled !== undefined || buffered.length > minLength) start()
    else if (buffered !== '') scheduleStart(FLUSH_INTERVAL_MS)
  }

  function scheduleStart(delayMs: number): void {
    timer ??= setTimeout(start, delayMs).unref()
  }

  return {
    write(line) {
      const waiting = chunk === undefined ? 0 : chunk.length - offset
      if (buffered.length + line.length + waiting > maxLength) {
        dropped += 1
        droppedInOutage += 1
        if (droppedInOutage === 1) onDropping?.(lastError)
        return
      }
      buffered += line
      // When the current chunk is written or retried, the buffer follows.
      if (chunk !== undefined) return
      if (buffered.length > minLength) start()
      else scheduleStart(FLUSH_INTERVAL_MS)
    },
    flush() {
      if (chunk === undefined) start()
    },
    async drain(limitMs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      // The other timers are unreferenced and do not keep the process alive.
      const limit = setTimeout(resolve, limitMs)
      onSettled = () => {
        // A slow reader may make room soon; a full disk or a closed reader will not.
        const isRetrying = chunk !== undefined && lastError === 'EAGAIN'
        if (isWriting || isRetrying || (chunk === undefined && buffered !== '')) return
        resolve()
      }
      start()
      await promise
      clearTimeout(limit)
      onSettled = undefined
      return linesIn(buffered) + linesIn(chunk?.subarray(offset).toString() ?? '')
    },
    droppedLines: () => dropped,
  }
}

function linesIn(text: string): number {
  return text.split('\n').length - 1
}

type Output = { readonly descriptor: number; readonly isNonBlocking: boolean }

/**
 * Opens pipes, sockets and terminals in non-blocking mode, because a reader that does not read would
 * block the event loop. Regular files have no such mode, so they are written by the thread pool.
 */
function openOutput(descriptor: number): Output {
  const stats = fstatSync(descriptor)
  if (stats.isFIFO() || stats.isCharacterDevice()) {
    try {
      // A separate file description, because O_NONBLOCK applies to every process that shares it.
      const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
      const own = openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
      return { descriptor: own, isNonBlocking: true }
    } catch {
      // No permission, no reader, or not Linux.
    }
  }
  if (stats.isFIFO() || stats.isSocket()) {
    // libuv puts the descriptor into non-blocking mode (uv_pipe_open).
    REFERENCED.push(new Socket({ fd: descriptor, readable: false, writable: true }).unref())
    return { descriptor, isNonBlocking: true }
  }
  return { descriptor, isNonBlocking: false }
}

/** Prevents garbage collection, which would close the descriptors. */
const REFERENCED: Socket[] = []
