import { createHash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import type { ReferenceFilter } from '../config/file-checks.ts'
import type { Finding } from '../config/finding.ts'
import { loadConfig, type LoadResult } from '../config/load.ts'
import { decodeText, lineOutsideUtf8 } from '../config/decode-text.ts'
import { permissionWarnings } from '../config/permissions.ts'
import {
  createFileReader,
  createFileStat,
  readBytes,
  unreadableReason,
} from '../config/read-file.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import type { Io } from './io.ts'
import { createPlainShow } from './show-problem.ts'

export type ReadConfig = {
  readonly text: string
  readonly result: LoadResult
  readonly places: ConfigEnvironment
}

type RunnableConfig = {
  readonly text: string
  readonly config: Config
  readonly places: ConfigEnvironment
}

/** Reads a configuration that can be run. Otherwise it reports all problems and returns undefined. */
export async function readRunnableConfig(
  file: string,
  io: Io,
  examines?: ReferenceFilter,
): Promise<RunnableConfig | undefined> {
  const read = await readConfig(file, io, examines)
  if ('fault' in read) {
    reportUnreadable(read, io)
    return undefined
  }
  const { text, result, places } = read
  reportProblems(file, result, io)
  return result.ok ? { text, config: result.config, places } : undefined
}

/** A short fingerprint of the text of a configuration. */
export function configVersion(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** Reads a configuration without requiring its secrets and certificates to be readable. */
export async function readReadableConfig(file: string, io: Io): Promise<Config | undefined> {
  const read = await readConfig(file, io)
  if ('fault' in read) {
    reportUnreadable(read, io)
    return undefined
  }
  const { result } = read
  if (result.config === undefined) reportProblems(file, result, io)
  return result.config
}

/** Checks of a configuration beyond those of `loadConfig`. */
export type ConfigCheck = (config: Config, places: ConfigEnvironment) => Promise<Finding[]>

/** Reads and validates a configuration, and reports nothing. */
export async function readConfig(
  file: string,
  io: Io,
  examines?: ReferenceFilter,
  check?: ConfigCheck,
): Promise<ReadConfig | { fault: string }> {
  const read = await readText(file)
  if ('fault' in read) return read
  return { ...read, ...(await loadText(read.text, file, io, examines, check)) }
}

export async function readText(file: string): Promise<{ text: string } | { fault: string }> {
  try {
    const bytes = await readBytes(file)
    const text = decodeText(bytes)
    const line = lineOutsideUtf8(bytes)
    if (line === undefined) return { text }
    return {
      fault: `Cannot read the configuration "${file}": line ${line} is not UTF-8; save the file as UTF-8`,
    }
  } catch (cause) {
    return { fault: `Cannot read the configuration "${file}": ${unreadableReason(cause)}` }
  }
}

export async function loadText(
  text: string,
  file: string,
  { env }: Io,
  examines?: ReferenceFilter,
  check?: ConfigCheck,
): Promise<Pick<ReadConfig, 'result' | 'places'>> {
  const places = {
    env,
    readFile: createFileReader(dirname(file)),
    resolvePath: (path: string) => resolve(dirname(file), path),
    stat: createFileStat(dirname(file)),
    statSocket: createFileStat('.'),
  }
  const checkConfig = async (config: Config) => (await check?.(config, places)) ?? []
  const result = await loadConfig(text, { ...places, checkConfig }, examines)
  if (!result.ok) return { result, places }
  const permissions = await permissionWarnings(resolve(file), places.statSocket)
  return { result: { ...result, warnings: [...permissions, ...result.warnings] }, places }
}

export function reportUnreadable({ fault }: { readonly fault: string }, io: Io): void {
  const hint = fault.endsWith('no such file')
    ? 'Set its path with -c FILE, or create one with "token-sidecar init".\n'
    : ''
  io.err(`${fault}\n${hint}`)
}

/** Prints all problems and warnings, by default as one line each. */
export function reportProblems(
  file: string,
  result: LoadResult,
  io: Io,
  show = createPlainShow(file),
): void {
  if (result.ok) {
    for (const warning of result.warnings) io.err(show(warning, ' (warning)'))
    return
  }
  const { problems } = result
  io.err(`Cannot use the configuration "${file}": ${count(problems.length, 'problem')}\n`)
  for (const problem of problems) io.err(`  ${show(problem)}`)
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
