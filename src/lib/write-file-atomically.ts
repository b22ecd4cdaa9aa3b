import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, mkdir, rename, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export type AtomicWriteOptions = {
  readonly mode: number
  /** Moves the complete file to its place; a rename by default. */
  readonly place?: (temporary: string, path: string) => Promise<void>
}

/**
 * Writes a temporary file beside `path` and moves it there, so that a reader finds a complete file or none, also after
 * a power failure. Creates the directory if necessary.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  { mode, place = rename }: AtomicWriteOptions,
): Promise<void> {
  const directory = dirname(path)
  const suffix = randomBytes(8).toString('hex')
  const temporary = join(directory, `.${basename(path)}.${suffix}.tmp`)
  await mkdir(directory, { recursive: true, mode: 0o755 })
  try {
    await writeFile(temporary, content, { flag: FLAGS, mode })
    // The umask may have taken permissions away.
    await chmod(temporary, mode)
    await place(temporary, path)
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

/** Creates a file that does not exist yet, and waits until it is on the disk. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_SYNC
