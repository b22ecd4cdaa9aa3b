import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { SidecarError } from '../errors.ts'
import { fileProblem } from '../lib/file-problem.ts'
import { formatAuthority, parseAuthority, type StoredAuthority } from './authority-file.ts'
import { AUTHORITY_LIFETIME_MS, generateAuthority } from './generate-authority.ts'

/** An authority in the directory. Later ones have a higher number. */
type NumberedAuthority = StoredAuthority & {
  readonly number: number
  readonly file: string
  /** The permissions of the file, if other users had any and they could not be taken away. */
  readonly exposedMode: number | undefined
}

/** Applications have eight months to read the new root before the old one expires. */
const RENEWAL_MS = AUTHORITY_LIFETIME_MS / 3

const FILE_NAME = /^ca-(\d{1,9})\.pem$/

/** The authorities in a directory, the oldest first; expired ones as well. None if it does not exist. */
async function readAuthorities(directory: string): Promise<NumberedAuthority[]> {
  const numbers = (await listDirectory(directory))
    .flatMap((name) => FILE_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((one, other) => one - other)
  return await Promise.all(
    numbers.map(async (number) => await readNumbered(fileOf(directory, number), number)),
  )
}

export type EnsuredAuthorities = {
  /** The oldest first. */
  readonly all: readonly NumberedAuthority[]
  /** The hosts because of which an authority was created; none if there was no need. */
  readonly createdFor: readonly string[]
}

/**
 * Creates an authority if a host has none that remains valid for long enough. Earlier ones stay, because running
 * applications may only trust these. Several processes may share the directory: a number is only given once.
 */
export async function ensureAuthorities(
  directory: string,
  hosts: readonly string[],
  wallMs: () => number,
): Promise<EnsuredAuthorities> {
  let createdFor: readonly string[] = []
  for (;;) {
    const all = await readAuthorities(directory)
    const uncovered = uncoveredHosts(all, hosts, wallMs())
    if (uncovered.length === 0) return { all, createdFor }
    const number = (all.at(-1)?.number ?? 0) + 1
    if (await addAuthority(directory, number, hosts, wallMs())) createdFor = uncovered
  }
}

/** The hosts for which a new authority is needed. */
function uncoveredHosts(
  found: readonly StoredAuthority[],
  hosts: readonly string[],
  nowMs: number,
): string[] {
  const usable = found
    .flatMap(({ authorities }) => authorities)
    .filter(
      ({ notBeforeMs, notAfterMs }) => notBeforeMs <= nowMs && notAfterMs - nowMs > RENEWAL_MS,
    )
  return hosts.filter((host) => !usable.some(({ permits }) => permits(host)))
}

function fileOf(directory: string, number: number): string {
  return join(directory, `ca-${number}.pem`)
}

async function listDirectory(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (cause) {
    if (isMissing(cause)) return []
    throw directoryError('read', directory, cause)
  }
}

async function readNumbered(file: string, number: number): Promise<NumberedAuthority> {
  try {
    const authority = parseAuthority(await readFile(file, 'utf8'))
    return { ...authority, number, file, exposedMode: await restrictMode(file) }
  } catch (cause) {
    throw new SidecarError(
      'internal_error',
      `Cannot use the certificate authority "${file}": ${fileProblem(cause)}`,
      {
        cause,
        advice: 'Restore the file from a backup, or move it away to have a new one created.',
      },
    )
  }
}

/** A copy or a volume may have given permissions to others. */
async function restrictMode(file: string): Promise<number | undefined> {
  const { mode } = await stat(file)
  if ((mode & 0o077) === 0) return undefined
  try {
    await chmod(file, 0o600)
    return undefined
  } catch {
    return mode & 0o777
  }
}

/** False if another process has used the number in the meantime. */
async function addAuthority(
  directory: string,
  number: number,
  hosts: readonly string[],
  nowMs: number,
): Promise<boolean> {
  const text = formatAuthority(await generateAuthority(hosts, nowMs))
  const temporary = join(directory, `.ca-${randomBytes(8).toString('hex')}.tmp`)
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 })
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    // Unlike a rename, it fails if the name exists.
    await link(temporary, fileOf(directory, number))
    return true
  } catch (cause) {
    if (isExisting(cause)) return false
    throw directoryError('create a certificate authority in', directory, cause)
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

function directoryError(verb: string, directory: string, cause: unknown): SidecarError {
  return new SidecarError(
    'internal_error',
    `Cannot ${verb} the directory "${directory}": ${fileProblem(cause)}`,
    { cause },
  )
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}
