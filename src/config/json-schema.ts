import * as z from 'zod'
import type { KeyPath } from './problem.ts'
import { configSchema } from './schema.ts'

export type JsonSchema = z.core.JSONSchema.BaseSchema

/** The file's schema for editors, in the draft that their YAML plug-ins read. */
export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' })
}

/** The keys that a map may have, at a place in the file. */
export function keysAt(path: KeyPath): string[] {
  let schemas: JsonSchema[] = [configJsonSchema()]
  for (const key of path) schemas = schemas.flatMap((schema) => childrenOf(schema, key))
  const keys = schemas
    .flatMap(alternatives)
    .flatMap(({ properties = {} }) => Object.keys(properties))
  return [...new Set(keys)]
}

function childrenOf(schema: JsonSchema, key: PropertyKey): JsonSchema[] {
  return alternatives(schema)
    .map(({ properties, additionalProperties, items }) =>
      typeof key === 'number' ? items : (properties?.[String(key)] ?? additionalProperties),
    )
    .filter((child): child is JsonSchema => typeof child === 'object' && !Array.isArray(child))
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  const branches = schema.oneOf ?? schema.anyOf
  return branches === undefined ? [schema] : branches.filter((branch) => typeof branch === 'object')
}
