import * as z from 'zod'
import type { Merged } from './defaults.ts'
import type { Finding } from './finding.ts'
import { suggestion, typeHint, valueAt } from './hints.ts'
import { formatKeyPath, type KeyPath, type Problem } from './problem.ts'
import { isQuotable } from './quotable.ts'
import { fileSchema } from './schema.ts'
import { settingAt } from './schema-walk.ts'
import { unknownKey } from './unknown-key.ts'
import type { YamlSource } from './yaml-source.ts'

/** A file as the rules see it, with defaults applied, and as it is written. */
export type FileView = {
  readonly source: YamlSource
  readonly originOf: Merged['originOf']
  /** With the defaults merged into each route and credential. */
  readonly data: unknown
  readonly raw: unknown
}

export function placeOf(path: KeyPath, { source, originOf }: FileView, isAboutUse = false) {
  return isAboutUse ? source.locateUse(originOf(path)) : source.locate(originOf(path))
}

/** A problem, with the information whether it only results from another one. */
export type ProblemDraft = Problem & {
  /** Paths of the keys that are missing. */
  readonly misses?: readonly string[]
  /** The path of the key that an unknown key most likely stands for. */
  readonly meant?: string
}

/** The expected value, for rules whose schema has no message. */
export function expectation(issue: z.core.$ZodRawIssue): string | undefined {
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

export function draftsOf(issue: z.core.$ZodIssue, file: FileView): ProblemDraft[] {
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
      // The branch that accepts the type of the value and knows the most of its keys is the intended one.
      const isCollection = typeof valueAt(file.data, path) === 'object'
      const isTypeIssue = ({ path: at, code }: z.core.$ZodIssue): boolean =>
        at.length === 0 && (code === 'invalid_type' || (code === 'invalid_value' && isCollection))
      const [meant] = issue.errors
        .filter((branch) => !branch.some(isTypeIssue))
        .toSorted((one, other) => unknownKeys(one) - unknownKeys(other))
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

function unknownKeys(branch: readonly z.core.$ZodIssue[]): number {
  return branch
    .filter((issue) => issue.code === 'unrecognized_keys')
    .reduce((count, { keys }) => count + keys.length, 0)
}

type Violation = Pick<
  Finding,
  'path' | 'message' | 'hint' | 'misses' | 'isAboutUse' | 'isUnused'
> & {
  readonly code?: string
  readonly expected?: unknown
}

export function draftOf(violation: Violation, file: FileView): ProblemDraft {
  const { path, message, hint, misses, isAboutUse } = violation
  const { source, data } = file
  const origin = file.originOf(path)
  const written = source.describe(origin)
  const setting = settingAt(fileSchema, path, data)
  const isPrivate = setting.role.visibility === 'private'
  const { schemas: around } = settingAt(fileSchema, path.slice(0, -1), data)
  // A syntax error can turn a secret into a key without a value.
  const isLikelySecret =
    isPrivate && written === 'nothing' && around.some((schema) => schema instanceof z.ZodRecord)
  const value = valueAt(data, path)
  const isTypeProblem = violation.code === 'invalid_type' || violation.code === 'invalid_union'
  const advice = isTypeProblem
    ? typeHint(setting, { value, plainText: source.plainText(origin) })
    : undefined
  // A finding concerns several values, so correcting this one alone would not help.
  const meant = violation.code === undefined ? undefined : suggestion(setting, value)
  return {
    ...placeOf(path, file, isAboutUse),
    path: formatKeyPath(isLikelySecret ? origin.slice(0, -1) : origin),
    message: [
      message + found(violation, written, { isPrivate, isNear: meant?.isNear === true }),
      hint ?? advice ?? meant?.hint,
    ]
      .filter(Boolean)
      .join('; '),
    misses: misses?.map(formatKeyPath) ?? (written === undefined ? [formatKeyPath(path)] : []),
  }
}

function unknownKeyDraft(path: KeyPath, key: string, file: FileView): ProblemDraft {
  const origin = file.originOf([...path, key])
  const { message, meant } = unknownKey(fileSchema, { path, origin }, key, file.data)
  return {
    ...file.source.locateKey(origin),
    path: formatKeyPath(origin.slice(0, -1)),
    message,
    ...(meant !== undefined && { meant: formatKeyPath([...path, meant]) }),
  }
}

/** What the file contains there, unless that is obvious or may be a secret. */
function found(
  { code, expected, isUnused }: Violation,
  written: string | undefined,
  { isPrivate, isNear }: { readonly isPrivate: boolean; readonly isNear: boolean },
): string {
  if (isUnused === true) return ''
  if (written === undefined) return ', got nothing'
  const isText = written.startsWith('"')
  const isCollection = written === 'a map' || written === 'a list'
  if (code === 'invalid_type' && isText && COLLECTIONS.has(expected)) return ', got a string'
  if (isCollection) return code === 'invalid_type' ? `, got ${written}` : ''
  const isPublic = isNear || isQuotable(written.slice(1, -1))
  if (isPrivate || (isText && !(HARMLESS.test(written) && isPublic))) return ''
  return `, got ${written}`
}

const COLLECTIONS: ReadonlySet<unknown> = new Set(['array', 'object', 'record'])

/** Short, and without characters that are common in passwords, queries and keys. */
const HARMLESS = /^"[\w.:/*[\] ${}-]{0,60}"$/
