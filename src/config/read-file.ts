import { constants } from 'node:fs'
import { access, type FileHandle, open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeText } from './decode-text.ts'

/** Reads a text file that the configuration names. */
export type ReadFile = (path: string) => Promise<string>

/** The kind and permissions of the file at a path; undefined if there is none. */
export type StatFile = (path: string) => Promise<FileFacts | undefined>

export type FileFacts = {
  readonly kind: 'file' | 'directory' | 'socket' | 'other'
  /** The permissions, without those to write where the file system is mounted read-only. */
  readonly mode: number
}

/** A relative path in a configuration file is relative to the directory of that file. */
export function createFileReader(directory: string): ReadFile {
  return async (path) => decodeText(await readBytes(resolve(directory, path)))
}

export function createFileStat(directory: string): StatFile {
  return async (path) => {
    try {
      const place = resolve(directory, path)
      const found = await withTimeout(stat(place))
      const kind = found.isFile()
        ? 'file'
        : found.isDirectory()
          ? 'directory'
          : found.isSocket()
            ? 'socket'
            : 'other'
      const isReadOnly = (found.mode & WRITE_BITS) !== 0 && (await isOnReadOnlyFileSystem(place))
      return { kind, mode: isReadOnly ? found.mode & ~WRITE_BITS : found.mode }
    } catch {
      return undefined
    }
  }
}

const WRITE_BITS = 0o222

/** The volume of a ConfigMap has the mode 0777, and is mounted read-only. */
async function isOnReadOnlyFileSystem(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK)
    return false
  } catch (error) {
    return errorCode(error) === 'EROFS'
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** Far more than any configuration, key or bundle of certificates. */
const MAX_BYTES = 8 * 1024 * 1024
/** How long a file server, or the writer of a named pipe, may take. */
const TIMEOUT_MS = 5_000
const PIPE_POLL_MS = 20

/**
 * Reads that are still pending after the timeout. Each occupies a thread of libuv's pool, which DNS lookups and the
 * log need as well, so at most two are allowed.
 */
const MAX_OVERDUE = 2
let overdue = 0

/**
 * Reads a whole file; a step of it fails after five seconds. A named pipe (`<(command)` in a shell) is read
 * without blocking a thread; other devices are refused.
 */
export async function readBytes(path: string): Promise<Buffer> {
  if (overdue >= MAX_OVERDUE) throw fileError('EBUSY')
  // Without O_NONBLOCK, opening a named pipe that has no writer blocks a thread indefinitely.
  const opening = open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const file = await withTimeout(opening, closeLate(opening))
  try {
    const stats = await withTimeout(file.stat())
    if (stats.isFIFO()) return await readPipe(file)
    if (stats.isDirectory()) throw fileError('EISDIR')
    if (!stats.isFile()) throw fileError('ENOTREG')
    if (stats.size > MAX_BYTES) throw fileError('EFBIG')
    return await withTimeout(file.readFile())
  } finally {
    // Not awaited, because it waits for pending operations on the file.
    file.close().catch(() => {})
  }
}

/** Limits the time of one operation of the thread pool. */
async function withTimeout<T>(operation: Promise<T>, onOverdue = (): void => {}): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  let isOverdue = false
  const timer = setTimeout(() => {
    isOverdue = true
    overdue += 1
    onOverdue()
    reject(fileError('ETIMEDOUT'))
  }, TIMEOUT_MS)
  const settled = (): void => {
    clearTimeout(timer)
    if (isOverdue) overdue -= 1
  }
  operation.then(settled, settled)
  return await Promise.race([operation, promise])
}

/** Closes a file whose opening completes after the timeout. */
function closeLate(opening: Promise<FileHandle>): () => void {
  return () => {
    opening.then(async (file) => await file.close()).catch(() => {})
  }
}

async function readPipe(file: FileHandle): Promise<Buffer> {
  const endsAtMs = performance.now() + TIMEOUT_MS
  const chunks: Buffer[] = []
  let length = 0
  while (performance.now() < endsAtMs) {
    const chunk = await readChunk(file)
    if (chunk === undefined || (chunk.length === 0 && length === 0)) {
      // Nothing has been written yet, or there is no writer yet.
      await sleep(PIPE_POLL_MS)
    } else if (chunk.length === 0) return Buffer.concat(chunks)
    else {
      chunks.push(chunk)
      length += chunk.length
      if (length > MAX_BYTES) throw fileError('EFBIG')
    }
  }
  throw fileError('ETIMEDOUT')
}

/** Undefined if there is nothing to read at the moment. */
async function readChunk(file: FileHandle): Promise<Buffer | undefined> {
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024))
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return undefined
    throw error
  }
}

function fileError(code: keyof typeof REASONS): Error {
  return Object.assign(new Error(REASONS[code]), { code })
}

const REASONS = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTREG: 'it is not a regular file',
  EFBIG: 'it is larger than 8 MiB',
  ETIMEDOUT: 'reading it took longer than 5 s',
  EBUSY: 'earlier reads of files are still pending',
  EMFILE: 'too many open files in the process',
  ENFILE: 'too many open files in the system',
  'UTF-16': 'it is UTF-16; save it as UTF-8',
  'UTF-32': 'it is UTF-32; save it as UTF-8',
} as const

/** Why a file can't be read, in a few words and without its path. */
export function unreadableReason(cause: unknown): string {
  const code = errorCode(cause) ?? 'unknown reason'
  return isKnown(code) ? REASONS[code] : code
}

function isKnown(code: string): code is keyof typeof REASONS {
  return Object.hasOwn(REASONS, code)
}
