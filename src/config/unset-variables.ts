import * as z from 'zod'
import type { ReferenceFilter } from './file-checks.ts'
import { formatKeyPath, type KeyPath } from './problem.ts'
import { fileSchema } from './schema.ts'
import { isRecord, settingAt } from './schema-walk.ts'
import type { PlacedProblem, YamlSource } from './yaml-source.ts'

export type Placeholders = {
  readonly data: unknown
  /** Required variables that are not set. */
  readonly unset: readonly PlacedProblem[]
  /** Paths of settings with a placeholder, whose value cannot be checked. */
  readonly assumed: ReadonlySet<string>
}

/**
 * Replaces each text with a variable that is not set by a valid placeholder. It is a problem only for settings for
 * which `isChecked` returns true.
 */
export function placeholdersFor(
  data: unknown,
  unset: YamlSource['unset'],
  isChecked: ReferenceFilter = () => true,
): Placeholders {
  const faults = new Set<PlacedProblem>()
  const assumed = new Set<string>()
  if (unset.size === 0) return { data, unset: [], assumed }
  const replaced = (value: unknown, path: KeyPath): unknown => {
    if (typeof value === 'string') {
      const fault = unset.get(value)
      if (fault === undefined) return value
      if (isChecked(path)) faults.add(fault)
      assumed.add(formatKeyPath(path))
      return placeholder(path, data, assumed.size)
    }
    if (Array.isArray(value)) {
      return value.map((item: unknown, index) => replaced(item, [...path, index]))
    }
    if (!isRecord(value) || path.length > MAX_DEPTH) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, replaced(inner, [...path, key])]),
    )
  }
  return { data: replaced(data, []), unset: [...faults], assumed }
}

/** More than any valid file has, for anchors that contain aliases of themselves. */
const MAX_DEPTH = 12

/** A text that the setting accepts, unique by its number. */
function placeholder(path: KeyPath, data: unknown, number: number): string {
  const { schemas } = settingAt(fileSchema, path, data)
  const choices = schemas.flatMap((schema) => (schema instanceof z.ZodEnum ? schema.options : []))
  const candidates = [
    `unset${number}`,
    `https://unset${number}.invalid`,
    `127.0.0.1:${number}`,
    `/unset${number}`,
    '1s',
    '1KiB',
    'GET',
    `unset${number}.invalid`,
    '0600',
    ...choices.map(String),
  ]
  const fits = (text: string) => schemas.some((schema) => z.safeParse(schema, text).success)
  return candidates.find(fits) ?? `unset${number}`
}
