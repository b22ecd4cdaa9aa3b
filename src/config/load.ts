import * as z from 'zod'
import { crossCheck } from './cross-checks.ts'
import { applyDefaults, defaultsSchema, type Merged } from './defaults.ts'
import { checkFiles, type Examines } from './file-checks.ts'
import type { Finding } from './finding.ts'
import { suggestion, typeHint, valueAt } from './hints.ts'
import { formatKeyPath, type KeyPath, type Problem } from './problem.ts'
import { looksPublic } from './repeatable.ts'
import { type Config, configSchema, fileSchema } from './schema.ts'
import { isRecord, settingAt } from './schema-walk.ts'
import type { SecretPlaces } from './secret-ref.ts'
import { isSchemaKey, unknownKey } from './unknown-key.ts'
import { standInsFor } from './unset-variables.ts'
import { readYaml, type YamlSource } from './yaml-source.ts'

export type LoadResult =
  | {
      readonly ok: true
      readonly config: Config
      readonly warnings: readonly Problem[]
      /** Paths of the settings whose variables are not set, where they need not be. */
      readonly unchecked: readonly string[]
    }
  | {
      readonly ok: false
      readonly problems: readonly Problem[]
      /** Where nothing is wrong but the files and variables that it names. */
      readonly config: Config | undefined
    }

/**
 * YAML text → a finished configuration, or every problem of the file at once, in the order of its
 * lines. Has no effects but to read the files that the configuration names, as far as `examines` says.
 * Where it says no, a variable that is not set stands for something that fits.
 */
export async function loadConfig(
  text: string,
  places: SecretPlaces,
  examines?: Examines,
): Promise<LoadResult> {
  const source = readYaml(text, places.env, {
    keepsUnset: examines !== undefined,
    isKnownKey: (key) => isSchemaKey(fileSchema, key),
  })
  const faults = source.faults.map((fault) => ({ ...fault, path: '' }))
  if (source.data === undefined) return { ok: false, problems: faults, config: undefined }

  const merged = applyDefaults(source.data)
  const { data, unset, assumed } = standInsFor(merged.data, source.unset, examines)
  faults.push(...unset.map((fault) => ({ ...fault, path: '' })))
  const file: FileView = { source, originOf: merged.originOf, data, raw: source.data }

  const parsed = configSchema.safeParse(data, { error: expectation })
  const findings = crossCheck(data).filter(
    ({ isUnused, path }) => isUnused !== true || isSetInPlace(path, file),
  )
  const fileFindings = await checkFiles(data, places, examines)
  const all = [...findings, ...fileFindings]
  const errors = findings.filter(({ severity }) => severity === 'error')
  const ownDrafts = (parsed.error?.issues ?? []).flatMap((issue) => draftsOf(issue, file))
  const drafts = [
    ...ownDrafts,
    ...defaultsDrafts(file).filter((draft) => !ownDrafts.some((own) => isSamePlace(own, draft))),
    ...errors.map((finding) => draftOf(finding, file)),
    ...fileFindings
      .filter(({ severity }) => severity === 'error')
      .map((finding) => draftOf(finding, file))
      .filter((draft) => !ownDrafts.some((own) => isSamePlace(own, draft))),
  ].filter(({ path }) => !assumed.has(path))
  if (!parsed.success || drafts.length > 0 || faults.length > 0) {
    const problems = inOrder([...faults, ...withoutEchoes(drafts, faults)])
    return {
      ok: false,
      problems,
      config: source.isSound && errors.length === 0 ? parsed.data : undefined,
    }
  }
  const warnings = all
    .filter(({ severity }) => severity === 'warning')
    .filter(
      ({ path, dependsOn = [] }) =>
        ![path, ...dependsOn].some((setting) => assumed.has(formatKeyPath(setting))),
    )
    .map(({ path, message, isAboutUse }) => ({
      ...placeOf(path, file, isAboutUse),
      path: formatKeyPath(file.originOf(path)),
      message,
    }))
  return {
    ok: true,
    config: parsed.data,
    warnings: inOrder(distinct(warnings)),
    unchecked: [...assumed],
  }
}

/** A file as the rules see it, and as it is written. */
type FileView = {
  readonly source: YamlSource
  readonly originOf: Merged['originOf']
  /** With the defaults in each route and credential. */
  readonly data: unknown
  readonly raw: unknown
}

/** Whether the file sets something at a path itself, and not only in `defaults`. */
function isSetInPlace(path: KeyPath, { raw }: FileView): boolean {
  const value = valueAt(raw, path)
  return (value ?? undefined) !== undefined && !(isRecord(value) && Object.keys(value).length === 0)
}

function placeOf(path: KeyPath, { source, originOf }: FileView, isAboutUse = false) {
  return isAboutUse ? source.locateUse(originOf(path)) : source.locate(originOf(path))
}

/** What is wrong with the defaults themselves; what they leave out may be said elsewhere. */
function defaultsDrafts(file: FileView): Draft[] {
  const defaults = isRecord(file.raw) ? file.raw['defaults'] : undefined
  if (defaults === undefined) return []
  const { error } = defaultsSchema.safeParse(defaults, { error: expectation })
  return (error?.issues ?? [])
    .filter((issue) => {
      const value = valueAt(defaults, issue.path)
      const isUnset = typeof value === 'string' && file.source.unset.has(value)
      return issue.code === 'unrecognized_keys' || (value !== undefined && !isUnset)
    })
    .flatMap((issue) =>
      draftsOf({ ...issue, path: ['defaults', ...issue.path] }, { ...file, data: file.raw }),
    )
}

/** A problem, and how it may be the echo of another one. */
type Draft = Problem & {
  /** Paths of the keys that it misses. */
  readonly misses?: readonly string[]
  /** The path of the key that a misspelt one was meant to be. */
  readonly meant?: string
}

/** What was expected, for the rules whose schema does not say it in its own words. */
function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type': {
      return `expected ${TYPES[issue.expected] ?? issue.expected}`
    }
    case 'invalid_value': {
      return `expected ${oneOf(issue.values)}`
    }
    case 'invalid_union': {
      const { options } = issue
      return Array.isArray(options) ? `expected ${oneOf(options)}` : STRING_OR_LIST
    }
    default: {
      return undefined
    }
  }
}

const STRING_OR_LIST = 'expected a string or a list'

const TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  string: 'a string',
}

function oneOf(values: readonly unknown[]): string {
  const words = values.filter((value) => typeof value === 'string')
  return words.map((word) => `"${word}"`).join(' or ')
}

function draftsOf(issue: z.core.$ZodIssue, file: FileView): Draft[] {
  const { path } = issue
  switch (issue.code) {
    case 'unrecognized_keys': {
      return issue.keys.map((key) => unknownKeyDraft(path, key, file))
    }
    case 'invalid_key': {
      const message = issue.issues[0]?.message ?? issue.message
      const origin = file.originOf(path)
      return [{ ...file.source.locateKey(origin), path: formatKeyPath(origin), message }]
    }
    case 'invalid_union': {
      // The branch that got past the value's type is the one that was meant.
      const meant = issue.errors.find(
        (branch) =>
          !branch.some(({ path: at, code }) => at.length === 0 && code === 'invalid_type'),
      )
      if (meant !== undefined) {
        return meant.flatMap((inner) =>
          draftsOf({ ...inner, path: [...path, ...inner.path] }, file),
        )
      }
      return [draftOf(issue, file)]
    }
    default: {
      return [draftOf(issue, file)]
    }
  }
}

type Complaint = Pick<
  Finding,
  'path' | 'message' | 'hint' | 'misses' | 'isAboutUse' | 'isUnused'
> & {
  readonly code?: string
  readonly expected?: unknown
}

function draftOf(complaint: Complaint, file: FileView): Draft {
  const { path, message, hint, misses, isAboutUse } = complaint
  const { source, data } = file
  const origin = file.originOf(path)
  const written = source.describe(origin)
  const setting = settingAt(fileSchema, path, data)
  const isPrivate = setting.role.visibility === 'private'
  const { schemas: around } = settingAt(fileSchema, path.slice(0, -1), data)
  // A slip in a secret can make a key of it, with nothing behind.
  const isSlip =
    isPrivate && written === 'nothing' && around.some((schema) => schema instanceof z.ZodRecord)
  const value = valueAt(data, path)
  const isTypeProblem = complaint.code === 'invalid_type' || complaint.code === 'invalid_union'
  const advice = isTypeProblem
    ? typeHint(setting, { value, plainText: source.plainText(origin) })
    : undefined
  // A finding is about more than this value: another spelling would not settle it.
  const meant = complaint.code === undefined ? undefined : suggestion(setting, value)
  return {
    ...placeOf(path, file, isAboutUse),
    path: formatKeyPath(isSlip ? origin.slice(0, -1) : origin),
    message: [
      message + found(complaint, written, { isPrivate, isNear: meant?.isNear === true }),
      hint ?? advice ?? meant?.hint,
    ]
      .filter(Boolean)
      .join('; '),
    misses: misses?.map(formatKeyPath) ?? (written === undefined ? [formatKeyPath(path)] : []),
  }
}

function unknownKeyDraft(path: KeyPath, key: string, file: FileView): Draft {
  const origin = file.originOf([...path, key])
  const { message, meant } = unknownKey(fileSchema, { path, origin }, key, file.data)
  return {
    ...file.source.locateKey(origin),
    path: formatKeyPath(origin.slice(0, -1)),
    message,
    ...(meant !== undefined && { meant: formatKeyPath([...path, meant]) }),
  }
}

/** What the file has there, unless that is obvious or may be a secret. */
function found(
  { code, expected, isUnused }: Complaint,
  written: string | undefined,
  { isPrivate, isNear }: { readonly isPrivate: boolean; readonly isNear: boolean },
): string {
  if (isUnused === true) return ''
  if (written === undefined) return ', got nothing'
  const isText = written.startsWith('"')
  const isCollection = written === 'a map' || written === 'a list'
  if (code === 'invalid_type' && isText && COLLECTIONS.has(expected)) return ', got a string'
  if (isCollection) return code === 'invalid_type' ? `, got ${written}` : ''
  const isPublic = isNear || looksPublic(written.slice(1, -1))
  if (isPrivate || (isText && !(HARMLESS.test(written) && isPublic))) return ''
  return `, got ${written}`
}

const COLLECTIONS: ReadonlySet<unknown> = new Set(['array', 'object', 'record'])

/** Short, and without what passwords, queries and keys are made of. */
const HARMLESS = /^"[\w.:/*[\] ${}-]{0,60}"$/

/** Leaves out what only follows from another problem: a misspelt key, a variable that is not set. */
function withoutEchoes(drafts: readonly Draft[], faults: readonly Problem[]): Problem[] {
  const meant = new Set(drafts.map((draft) => draft.meant))
  // A key with an invalid value is reported for its value, not as missing.
  const wrong = new Set(drafts.filter(({ misses }) => misses?.length === 0).map(({ path }) => path))
  return distinct(
    drafts
      .filter(({ misses = [] }) => !misses.some((path) => meant.has(path) || wrong.has(path)))
      .filter((draft) => !faults.some((fault) => isSamePlace(fault, draft)))
      .map(({ line, column, path, message }) => ({ line, column, path, message })),
  )
}

/** A default that is wrong is wrong for everything that takes it, and is reported once. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

function isSamePlace(one: Problem, other: Problem): boolean {
  return one.line === other.line && one.column === other.column
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}
