import type * as z from 'zod'
import { closest } from '../lib/closest.ts'
import { crossCheck } from './cross-checks.ts'
import { checkFiles } from './file-checks.ts'
import type { Finding } from './finding.ts'
import { keysAt } from './json-schema.ts'
import { formatKeyPath, isPlainKey, type KeyPath, type Problem } from './problem.ts'
import { type Config, configSchema } from './schema.ts'
import type { SecretPlaces } from './secret-ref.ts'
import { readYaml, type YamlSource } from './yaml-source.ts'

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Problem[] }
  | {
      readonly ok: false
      readonly problems: readonly Problem[]
      /** Where nothing is wrong but the files and variables that it names. */
      readonly config: Config | undefined
    }

/**
 * YAML text → a finished configuration, or every problem of the file at once, in the order of its
 * lines. Has no effects but to read the files that the configuration names.
 */
export async function loadConfig(text: string, places: SecretPlaces): Promise<LoadResult> {
  const source = readYaml(text, places.env)
  const faults = source.faults.map((fault) => ({ ...fault, path: '' }))
  if (source.data === undefined) return { ok: false, problems: faults, config: undefined }

  const parsed = configSchema.safeParse(source.data, { error: expectation })
  const findings = crossCheck(source.data)
  const fileFindings = await checkFiles(source.data, places)
  const errors = findings.filter(({ severity }) => severity === 'error')
  const drafts = [
    ...(parsed.error?.issues ?? []).flatMap((issue) => draftsOf(issue, source)),
    ...[...errors, ...fileFindings].map((finding) => draftOf(finding, source)),
  ]
  if (!parsed.success || drafts.length > 0 || faults.length > 0) {
    const problems = inOrder([...faults, ...withoutEchoes(drafts, source)])
    return {
      ok: false,
      problems,
      config: source.isSound && errors.length === 0 ? parsed.data : undefined,
    }
  }
  const warnings = findings.map((finding) => ({
    ...source.locate(finding.path),
    path: formatKeyPath(finding.path),
    message: finding.message,
  }))
  return { ok: true, config: parsed.data, warnings: inOrder(warnings) }
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

function draftsOf(issue: z.core.$ZodIssue, source: YamlSource): Draft[] {
  const { path } = issue
  switch (issue.code) {
    case 'unrecognized_keys': {
      return issue.keys.map((key) => unknownKey(path, key, source))
    }
    case 'invalid_key': {
      const message = issue.issues[0]?.message ?? issue.message
      return [{ ...source.locateKey(path), path: formatKeyPath(path), message }]
    }
    case 'invalid_union': {
      // The branch that got past the value's type is the one that was meant.
      const meant = issue.errors.find(
        (branch) =>
          !branch.some(({ path: at, code }) => at.length === 0 && code === 'invalid_type'),
      )
      if (meant !== undefined) {
        return meant.flatMap((inner) =>
          draftsOf({ ...inner, path: [...path, ...inner.path] }, source),
        )
      }
      return [draftOf(issue, source)]
    }
    default: {
      return [draftOf(issue, source)]
    }
  }
}

type Complaint = Pick<Finding, 'path' | 'message' | 'hint' | 'misses'> & {
  readonly code?: string
  readonly expected?: unknown
}

function draftOf(complaint: Complaint, source: YamlSource): Draft {
  const { path, message, hint, misses } = complaint
  const written = source.describe(path)
  // A slip in a secret can make a key of it, with nothing behind.
  const isSlip = written === 'nothing' && FREE_KEYS.has(path.at(-2) ?? '')
  return {
    ...source.locate(path),
    path: formatKeyPath(isSlip ? path.slice(0, -1) : path),
    message: [message + found(complaint, written), hint].filter(Boolean).join('; '),
    misses: misses?.map(formatKeyPath) ?? (written === undefined ? [formatKeyPath(path)] : []),
  }
}

function unknownKey(path: KeyPath, key: string, source: YamlSource): Draft {
  const known = keysAt(path)
  const meant = closest(key, known)
  const hint =
    meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean "${meant}"?`
  // A slip in a secret can make a key of it: only what looks like a key of ours is repeated.
  const isShown = isPlainKey(key) && (meant !== undefined || !isPrivate(path))
  return {
    ...source.locateKey([...path, key]),
    path: formatKeyPath(path),
    message: `unknown key${isShown ? ` "${key}"` : ''}; ${hint}`,
    ...(meant !== undefined && { meant: formatKeyPath([...path, meant]) }),
  }
}

/** What the file has there, unless it would be no news or a secret might stand there. */
function found({ path, code, expected }: Complaint, written: string | undefined): string {
  if (written === undefined) return ', got nothing'
  const isText = written.startsWith('"')
  const isCollection = written === 'a map' || written === 'a list'
  if (code === 'invalid_type' && isText && COLLECTIONS.has(expected)) return ', got a string'
  if (isCollection) return code === 'invalid_type' ? `, got ${written}` : ''
  if (isPrivate(path) || (isText && !HARMLESS.test(written))) return ''
  return `, got ${written}`
}

const COLLECTIONS: ReadonlySet<unknown> = new Set(['array', 'object', 'record'])

/** Short, and without what passwords, queries and keys are made of. */
const HARMLESS = /^"[\w.:/*[\] ${}-]{0,60}"$/

/** Below these, values may be secret; what their keys are is not. */
const PRIVATE_KEYS: ReadonlySet<PropertyKey> = new Set([
  'auth',
  'dpop',
  'grant',
  'headers',
  'parameters',
  'prefix',
])
/** Maps whose keys are the user's to choose. */
const FREE_KEYS: ReadonlySet<PropertyKey> = new Set([
  'claims',
  'header',
  'headers',
  'parameters',
  'set',
])
/** What is never secret, wherever it stands. */
const PUBLIC_KEYS: ReadonlySet<PropertyKey> = new Set(['algorithm', 'method', 'type'])

function isPrivate(path: KeyPath): boolean {
  return (
    path[0] !== 'limits' &&
    path.some((key) => PRIVATE_KEYS.has(key)) &&
    !PUBLIC_KEYS.has(path.at(-1) ?? '')
  )
}

/** Leaves out what only follows from another problem: a misspelt key, a variable that is not set. */
function withoutEchoes(drafts: readonly Draft[], { faults }: YamlSource): Problem[] {
  const meant = new Set(drafts.map((draft) => draft.meant))
  return drafts
    .filter(({ misses = [] }) => !misses.some((path) => meant.has(path)))
    .filter(
      ({ line, column }) => !faults.some((fault) => fault.line === line && fault.column === column),
    )
    .map(({ line, column, path, message }) => ({ line, column, path, message }))
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}
