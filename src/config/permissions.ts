import { dirname } from 'node:path'
import type { Problem } from './problem.ts'
import type { StatFile } from './read-file.ts'

const WRITABLE_BY_OTHERS = 0o002
/** Only the owner of a file may rename or delete it in such a directory, as in /tmp. */
const STICKY = 0o1000

export function isWritableByOthers(mode: number): boolean {
  return (mode & WRITABLE_BY_OTHERS) !== 0
}

export function writableByOthers(what: string, mode: number): string {
  const digits = (mode & 0o7777).toString(8).padStart(4, '0')
  return `every user of this machine can change ${what} (mode ${digits}); "chmod o-w" takes that permission away`
}

/**
 * Warnings about a configuration file that other users can change or replace: they could redirect tokens.
 * `file` is an absolute path.
 */
export async function permissionWarnings(file: string, stat: StatFile): Promise<Problem[]> {
  const facts = await stat(file)
  // A pipe or a device is not a file that others could write.
  if (facts?.kind !== 'file') return []
  const messages = isWritableByOthers(facts.mode)
    ? [writableByOthers('the configuration file', facts.mode)]
    : []
  for (let path = dirname(file), child = file; path !== child; child = path, path = dirname(path)) {
    const mode = (await stat(path))?.mode ?? 0
    if (isWritableByOthers(mode) && (mode & STICKY) === 0) {
      messages.push(writableByOthers(`the directory "${path}" of the configuration file`, mode))
    }
  }
  return messages.map((message) => ({ line: 1, column: 1, path: '', message }))
}
