import { crossCheck } from './cross-checks.ts'
import { applyDefaults, defaultsSchema } from './defaults.ts'
import { checkFiles, type ReferenceFilter } from './file-checks.ts'
import { valueAt } from './hints.ts'
import { formatKeyPath, type KeyPath, type Problem } from './problem.ts'
import {
  draftOf,
  draftsOf,
  expectation,
  type FileView,
  placeOf,
  type ProblemDraft,
} from './problem-draft.ts'
import { type Config, configSchema, fileSchema } from './schema.ts'
import { isRecord } from './schema-walk.ts'
import type { ConfigEnvironment } from './secret-reader.ts'
import { isSchemaKey } from './unknown-key.ts'
import { placeholdersFor } from './unset-variables.ts'
import { readYaml } from './yaml-source.ts'

export type LoadResult =
  | {
      readonly ok: true
      readonly config: Config
      readonly warnings: readonly Problem[]
      /** Paths of the settings whose variables are not set and were not required. */
      readonly unchecked: readonly string[]
    }
  | {
      readonly ok: false
      readonly problems: readonly Problem[]
      /** Set if only the files and variables that it refers to are wrong. */
      readonly config: Config | undefined
    }

/**
 * Turns YAML text into a complete configuration, or reports every problem in the order of lines. The only side
 * effect is reading the referenced files of the settings for which `isChecked` returns true. In other settings,
 * a placeholder replaces a variable that is not set.
 */
export async function loadConfig(
  text: string,
  environment: ConfigEnvironment,
  isChecked?: ReferenceFilter,
): Promise<LoadResult> {
  const source = readYaml(text, environment.env, {
    keepsUnset: isChecked !== undefined,
    isKnownKey: (key) => isSchemaKey(fileSchema, key),
  })
  const sourceProblems = source.problems.map((problem) => ({ ...problem, path: '' }))
  if (source.data === undefined) return { ok: false, problems: sourceProblems, config: undefined }

  const merged = applyDefaults(source.data)
  const { data, unset, assumed } = placeholdersFor(merged.data, source.unset, isChecked)
  sourceProblems.push(...unset.map((problem) => ({ ...problem, path: '' })))
  const file: FileView = { source, originOf: merged.originOf, data, raw: source.data }

  const parsed = configSchema.safeParse(data, { error: expectation })
  const findings = crossCheck(data).filter(
    ({ isUnused, path }) => isUnused !== true || isSetInPlace(path, file),
  )
  const fileFindings = await checkFiles(data, environment, isChecked)
  const all = [...findings, ...fileFindings]
  const errors = findings.filter(({ severity }) => severity === 'error')
  const schemaDrafts = (parsed.error?.issues ?? []).flatMap((issue) => draftsOf(issue, file))
  const drafts = [
    ...schemaDrafts,
    ...defaultsDrafts(file).filter(
      (draft) => !schemaDrafts.some((other) => isSamePlace(other, draft)),
    ),
    ...errors.map((finding) => draftOf(finding, file)),
    ...fileFindings
      .filter(({ severity }) => severity === 'error')
      .map((finding) => draftOf(finding, file))
      .filter((draft) => !schemaDrafts.some((other) => isSamePlace(other, draft))),
  ].filter(({ path }) => !assumed.has(path))
  if (!parsed.success || drafts.length > 0 || sourceProblems.length > 0) {
    const problems = inOrder([...sourceProblems, ...withoutConsequences(drafts, sourceProblems)])
    return {
      ok: false,
      problems,
      config: source.isSound && errors.length === 0 ? parsed.data : undefined,
    }
  }
  const furtherFindings = (await environment.checkConfig?.(parsed.data)) ?? []
  const furtherErrors = furtherFindings.filter(({ severity }) => severity === 'error')
  if (furtherErrors.length > 0) {
    const problems = inOrder(furtherErrors.map((finding) => draftOf(finding, file)))
    return { ok: false, problems, config: parsed.data }
  }
  const warnings = [...all, ...furtherFindings]
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

/** Whether the file sets something at a path itself, and not only in `defaults`. */
function isSetInPlace(path: KeyPath, { raw }: FileView): boolean {
  const value = valueAt(raw, path)
  return (value ?? undefined) !== undefined && !(isRecord(value) && Object.keys(value).length === 0)
}

/** Problems of the defaults themselves. A missing setting is none: a route or credential may set it. */
function defaultsDrafts(file: FileView): ProblemDraft[] {
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

/** Omits problems that follow from another one, such as a misspelt key or a variable that is not set. */
function withoutConsequences(
  drafts: readonly ProblemDraft[],
  sourceProblems: readonly Problem[],
): Problem[] {
  const meant = new Set(drafts.map((draft) => draft.meant))
  // A key with an invalid value is not reported as missing as well.
  const wrong = new Set(drafts.filter(({ misses }) => misses?.length === 0).map(({ path }) => path))
  return distinct(
    drafts
      .filter(({ misses = [] }) => !misses.some((path) => meant.has(path) || wrong.has(path)))
      .filter((draft) => !sourceProblems.some((problem) => isSamePlace(problem, draft)))
      .map(({ line, column, path, message }) => ({ line, column, path, message })),
  )
}

/** An invalid default affects everything that uses it, and is reported once. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

function isSamePlace(one: Problem, other: Problem): boolean {
  return one.line === other.line && one.column === other.column
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}
