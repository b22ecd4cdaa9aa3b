import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** Where Debian puts servers; not on the PATH of everybody. */
const SYSTEM = ['/usr/sbin', '/usr/local/sbin']

export function findProgram(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  return [...path.split(delimiter), ...SYSTEM]
    .map((directory) => join(directory, name))
    .find(isExecutable)
}

/** What a program says about its version, to whichever output. */
export async function askVersion(command: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, { timeout: 10_000 })
    return stdout + stderr
  } catch (error) {
    // wrk ends with 1 after it has printed its version.
    const { stdout } = Object(error)
    return typeof stdout === 'string' ? stdout : ''
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
