import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

/** Reads a text file that the configuration names. */
export type ReadFile = (path: string) => Promise<string>

/** A relative path in a configuration file is meant from where that file is. */
export function createFileReader(directory: string): ReadFile {
  return async (path) => await readFile(resolve(directory, path), 'utf8')
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
}

/** Why a file can't be read, in a few words and without its path. */
export function unreadableReason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
  return REASONS[code] ?? code
}
