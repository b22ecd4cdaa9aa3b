import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** The directories of servers on Debian, which are not on the PATH of every user. */
const SYSTEM = ['/usr/sbin', '/usr/local/sbin']

export function findProgram(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  return [...path.split(delimiter), ...SYSTEM]
    .map((directory) => join(directory, name))
    .find(isExecutable)
}

/** Returns what a program prints about its version on standard output and standard error. */
export async function readVersion(command: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, { timeout: 10_000 })
    return stdout + stderr
  } catch (error) {
    // wrk exits with code 1 after printing its version.
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
