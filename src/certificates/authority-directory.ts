import { chmod, link, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SidecarError } from '../errors.ts'
import { fileProblem } from '../lib/file-problem.ts'
import { writeFileAtomically } from '../lib/write-file-atomically.ts'
import { formatAuthority, parseAuthority, type StoredAuthority } from './authority-file.ts'
import { AUTHORITY_LIFETIME_MS, generateAuthority } from './generate-authority.ts'

/** An authority in the directory. Later ones have a higher number. */
type NumberedAuthority = StoredAuthority & {
  readonly number: number
  readonly file: string
  /** Whether other users have permissions for the file. */
  readonly isExposed: boolean
  /** Whether the file belongs to another user than root and that of this process. */
  readonly isForeign: boolean
}

/** Applications have eight months to read the new root before the old one expires. */
const RENEWAL_MS = AUTHORITY_LIFETIME_MS / 3

const FILE_NAME = /^ca-(\d{1,9})\.pem$/

/** The authorities in a directory, the oldest first; expired ones as well. None if it does not exist. */
export async function readAuthorities(directory: string): Promise<NumberedAuthority[]> {
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
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const all = await readAuthorities(directory)
    const uncovered = uncoveredHosts(all, hosts, wallMs())
    if (uncovered.length === 0) return { all: await Promise.all(all.map(restrict)), createdFor }
    const number = (all.at(-1)?.number ?? 0) + 1
    if (await addAuthority(directory, number, hosts, wallMs())) createdFor = uncovered
  }
  throw new SidecarError(
    'internal_error',
    `Cannot create a certificate authority in the directory "${directory}": too many other processes do the same`,
  )
}

const MAX_ATTEMPTS = 20

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
    const { mode, uid } = await stat(file)
    return {
      ...authority,
      number,
      file,
      isExposed: (mode & 0o077) !== 0,
      isForeign: isForeign(uid),
    }
  } catch (cause) {
    throw new SidecarError(
      'internal_error',
      `Cannot use the certificate authority "${file}": ${fileProblem(cause)}; restore the file, or move it away to have another one created`,
      { cause },
    )
  }
}

/** Where files have no owner, `getuid` does not exist. */
function isForeign(uid: number): boolean {
  return uid !== 0 && process.getuid !== undefined && uid !== process.getuid()
}

/** Takes permissions away from others, which a copy or a volume may have given to them. */
async function restrict(authority: NumberedAuthority): Promise<NumberedAuthority> {
  if (!authority.isExposed) return authority
  try {
    await chmod(authority.file, 0o600)
    return { ...authority, isExposed: false }
  } catch {
    return authority
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
  try {
    // Unlike a rename, a link fails if the name exists.
    await writeFileAtomically(fileOf(directory, number), text, { mode: 0o600, place: link })
    return true
  } catch (cause) {
    if (isExisting(cause)) return false
    throw directoryError('create a certificate authority in', directory, cause)
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
