import * as z from 'zod'
import { fileSchema } from './schema.ts'

export type JsonSchema = z.core.JSONSchema.BaseSchema

/** What may stand where a schema is expected. */
type Nested = JsonSchema['items'] | JsonSchema['additionalProperties']

/**
 * The file's schema for editors, in the draft that their YAML plug-ins read. What `defaults` may provide
 * is required only in a file without them.
 */
export function configJsonSchema(): JsonSchema {
  const { properties = {}, ...file } = fileJsonSchema()
  const { credentials, routes, ...others } = properties
  const credential = mapValue(credentials)
  const route = listItem(routes)
  return {
    ...file,
    properties: {
      ...others,
      defaults: withDefaultsOptional(properties['defaults']),
      credentials: { ...objectOf(credentials), additionalProperties: withParts(credential, []) },
      routes: { ...objectOf(routes), items: withParts(route, ['name']) },
    },
    patternProperties: { '^x-.': {} },
    anyOf: [
      { type: 'object', properties: { defaults: { type: 'object' } }, required: ['defaults'] },
      {
        type: 'object',
        properties: {
          credentials: {
            type: 'object',
            additionalProperties: requirements(credential),
          },
          routes: { type: 'array', items: requirements(route) },
        },
      },
    ],
  }
}

/** The settings as the documentation lists them: those of `defaults` are listed once, where they are used. */
export function settingsJsonSchema(): JsonSchema {
  const { properties = {}, ...file } = fileJsonSchema()
  const { defaults, ...others } = properties
  const leaves = Object.entries(objectOf(defaults).properties ?? {}).map(
    ([key, value]): [string, JsonSchema] => {
      const { description = '' } = objectOf(value)
      return [key, { type: 'object', description }]
    },
  )
  return {
    ...file,
    properties: {
      ...others,
      defaults: { ...objectOf(defaults), properties: Object.fromEntries(leaves) },
    },
  }
}

function fileJsonSchema(): JsonSchema {
  return z.toJSONSchema(fileSchema, { io: 'input', target: 'draft-7' })
}

/** The keys with parts that a default may provide one by one. */
const DIVISIBLE: ReadonlySet<string> = new Set(['auth', 'grant', 'provider'])

function withDefaultsOptional(schema: Nested): JsonSchema {
  const defaults = objectOf(schema)
  const kinds = Object.entries(defaults.properties ?? {})
  return {
    ...defaults,
    properties: Object.fromEntries(
      kinds.map(([key, kind]) => [key, withParts(objectOf(kind), [])]),
    ),
  }
}

/** The schema of a route or a credential with nothing required but `required`. */
function withParts(schema: JsonSchema, required: string[]): JsonSchema {
  const { required: _required, properties = {}, ...others } = schema
  const parts = Object.entries(properties).map(([key, value]) => [
    key,
    DIVISIBLE.has(key) ? withBranchesOpen(objectOf(value)) : value,
  ])
  return {
    ...others,
    properties: Object.fromEntries(parts),
    ...(required.length > 0 && { required }),
  }
}

/** A union whose branches require no more than what tells them apart. */
function withBranchesOpen({ oneOf = [], ...others }: JsonSchema): JsonSchema {
  return {
    ...others,
    // Several may fit what is only a part.
    anyOf: oneOf.map((branch) => {
      const { required = [], ...branchOthers } = objectOf(branch)
      const tags = Object.entries(branchOthers.properties ?? {}).filter(
        ([, value]) => objectOf(value).const !== undefined,
      )
      return {
        ...branchOthers,
        required: required.filter((key) => tags.some(([tag]) => tag === key)),
      }
    }),
  }
}

/** What is required of a route or a credential that has to be complete. */
function requirements({ required = [], properties = {} }: JsonSchema): JsonSchema {
  const parts = Object.entries(properties).filter(
    ([key]) => DIVISIBLE.has(key) || required.includes(key),
  )
  return { type: 'object', required, properties: Object.fromEntries(parts) }
}

function mapValue(schema: Nested): JsonSchema {
  return objectOf(objectOf(schema).additionalProperties)
}

function listItem(schema: Nested): JsonSchema {
  return objectOf(objectOf(schema).items)
}

function objectOf(schema: Nested): JsonSchema {
  return isSchema(schema) ? schema : {}
}

function isSchema(schema: unknown): schema is JsonSchema {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema)
}
