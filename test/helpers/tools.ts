import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Every program of that name on the PATH, in order. */
export function findPrograms(name: string): string[] {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .filter(isExecutable)
}

/** Whether tests of programs that are not installed are skipped. */
export const MAY_SKIP = process.env['REQUIRE_TOOLS'] !== '1'

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
