import * as z from 'zod'
import { fileSchema } from './schema.ts'

export type JsonSchema = z.core.JSONSchema.BaseSchema

/** A nested schema, or `true` or `false`. */
type Nested = JsonSchema['items'] | JsonSchema['additionalProperties']

/**
 * The JSON Schema of the file for editors, in the draft that their YAML plug-ins support. Settings that `defaults`
 * may provide are required only in a file without `defaults`.
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

/** The settings for the documentation, which does not list those of `defaults` again. */
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

/** The unions whose properties defaults may provide individually. */
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

/** The schema of a route or a credential that requires only `required`. */
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

/** A union whose branches require only their discriminator. */
function withBranchesOpen({ oneOf = [], ...others }: JsonSchema): JsonSchema {
  return {
    ...others,
    // An incomplete value may match several branches.
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

/** The required properties of a complete route or credential. */
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
