import type { JsonSchema } from '../src/config/json-schema.ts'
import { DURATION_PATTERN, SIZE_PATTERN } from '../src/config/units.ts'

type Branch = { readonly schema: JsonSchema; readonly when: string | undefined }
type Property = {
  readonly schema: JsonSchema
  readonly required: boolean
  /** The value that an omitted key stands for: the constant of its variant. */
  readonly fallback: unknown
  /** The variants with this key, such as `client_secret_basic`; empty for all. */
  readonly variants: readonly string[]
}
type Row = {
  readonly path: string
  readonly property: Property
  /** The closest enclosing map that is optional. */
  readonly optionalParent: string | undefined
}
type Section = { readonly path: string; readonly about: string; readonly rows: readonly Row[] }

/**
 * The settings as Markdown tables: one for the top level, and one for each map or list whose items have
 * keys.
 */
export function settingsTables(root: JsonSchema): string {
  return sectionsOf('', withoutReferences(root, root))
    .map(({ path, about, rows }) => {
      const heading = path === '' ? 'Top level' : code(path)
      const text = table(rows, path)
      return [`## ${heading}`, about, text].filter(Boolean).join('\n\n')
    })
    .join('\n\n')
}

function sectionsOf(path: string, schema: JsonSchema): Section[] {
  const rows = rowsOf(schema)
  const own = { path, about: path === '' ? '' : (schema.description ?? ''), rows }
  const nested = rows.flatMap(({ path: key, property }) => {
    const items = itemsOf(property.schema)
    if (items === undefined) return []
    const at = [path, key].filter(Boolean).join('.')
    return sectionsOf(`${at}${items.suffix}`, items.item)
  })
  return [own, ...nested]
}

/** Every key below a map, nested ones with their full path; a map or list of items is a separate section. */
function rowsOf(schema: JsonSchema, parent?: Row): Row[] {
  return [...propertiesOf(schema)].flatMap(([key, property]) => {
    const path = parent === undefined ? key : `${parent.path}.${key}`
    const isInOptional = parent !== undefined && !parent.property.required
    const optionalParent = isInOptional ? parent.path : parent?.optionalParent
    const row = { path, property, optionalParent }
    const isSection = itemsOf(property.schema) !== undefined
    return isSection ? [row] : [row, ...rowsOf(property.schema, row)]
  })
}

/** The items of a map or a list, if they have keys. */
function itemsOf(schema: JsonSchema): { item: JsonSchema; suffix: string } | undefined {
  const { additionalProperties, items } = schema
  if (isSchema(additionalProperties) && hasKeys(additionalProperties)) {
    return { item: additionalProperties, suffix: '.NAME' }
  }
  if (isSchema(items) && hasKeys(items)) {
    return { item: items, suffix: '[]' }
  }
  return undefined
}

function hasKeys(schema: JsonSchema): boolean {
  return propertiesOf(schema).size > 0
}

/** The keys of a map, including those of its variants, each with the variants that have it. */
function propertiesOf(schema: JsonSchema): Map<string, Property> {
  const branches = branchesOf(schema)
  const properties = new Map<string, Property>()
  for (const { schema: branch, when } of branches) {
    for (const [key, value] of Object.entries(branch.properties ?? {})) {
      if (!isSchema(value)) continue
      const earlier = properties.get(key)
      properties.set(key, {
        schema: earlier === undefined ? value : either(earlier.schema, value),
        required: (earlier?.required ?? true) && (branch.required?.includes(key) ?? false),
        fallback: earlier?.fallback ?? (branch.required?.includes(key) ? undefined : value.const),
        variants: [...(earlier?.variants ?? []), ...(when === undefined ? [] : [when])],
      })
    }
  }
  for (const [key, property] of properties) {
    if (property.variants.length === branches.length) {
      properties.set(key, { ...property, variants: [] })
    }
  }
  return properties
}

/** The variants of a value, each with the constant that identifies it. */
function branchesOf(schema: JsonSchema): Branch[] {
  const alternatives = schema.oneOf ?? schema.anyOf ?? [schema]
  return alternatives.filter(isSchema).map((branch) => {
    const tag = Object.values(branch.properties ?? {})
      .filter(isSchema)
      .find((property) => property.const !== undefined)
    return { schema: branch, when: tag && String(tag.const) }
  })
}

function either(one: JsonSchema, other: JsonSchema): JsonSchema {
  if (JSON.stringify(one) === JSON.stringify(other)) return one
  return { anyOf: [...(one.anyOf ?? [one]), other] }
}

/** The schema with each `$ref` resolved and each `allOf` merged; sibling keywords take precedence. */
function withoutReferences(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const inlined = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inlined)
    return isSchema(value) ? withoutReferences(value, root) : value
  }
  const { $ref, allOf = [], ...own } = schema
  const parts = [...allOf, ...($ref === undefined ? [] : [target($ref, root)])]
  return Object.assign(
    {},
    ...parts.map(inlined),
    Object.fromEntries(Object.entries(own).map(([key, value]) => [key, inlined(value)])),
  )
}

/** `#/definitions/x` or `#/$defs/x`. */
function target(ref: string, root: JsonSchema): JsonSchema {
  let found: unknown = root
  for (const key of ref.split('/').slice(1)) {
    found = isSchema(found) ? new Map<string, unknown>(Object.entries(found)).get(key) : undefined
  }
  if (!isSchema(found)) throw new Error(`Cannot find "${ref}" in the JSON Schema`)
  return found
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function table(rows: readonly Row[], section: string): string {
  const lines = rows.map((row) => {
    const { path, property } = row
    const items = itemsOf(property.schema)
    const place = [section, path].filter(Boolean).join('.') + (items?.suffix ?? '')
    const cells = [
      code(path),
      items === undefined ? typeOf(property.schema) : `see [${code(place)}](#${anchor(place)})`,
      defaultOf(row),
      describe(property),
    ]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return ['| Setting | Type | Default | What it is |', '|---|---|---|---|', ...lines].join('\n')
}

/** The link anchor of a heading: lower case, without punctuation. */
function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^a-z\d-]/g, '')
}

function typeOf(schema: JsonSchema): string {
  const alternatives = (schema.oneOf ?? schema.anyOf)?.filter(isSchema)
  if (alternatives !== undefined) return listed([...new Set(alternatives.map(typeOf))])
  if (schema.const !== undefined) return code(schema.const)
  if (schema.enum !== undefined) return listed(schema.enum.map(code))
  switch (schema.type) {
    case 'array': {
      return `list of ${isSchema(schema.items) ? plural(typeOf(schema.items)) : 'anything'}`
    }
    case 'object': {
      const { additionalProperties: values } = schema
      return isSchema(values) ? `map of ${plural(typeOf(values))}` : 'map'
    }
    case 'string': {
      if (schema.pattern === DURATION_PATTERN.source) return 'duration'
      if (schema.pattern === SIZE_PATTERN.source) return 'size'
      return schema.format === undefined ? 'string' : `string (${schema.format})`
    }
    default: {
      return listed([schema.type ?? 'anything'].flat())
    }
  }
}

function plural(type: string): string {
  return /^[a-z]+$/.test(type) ? `${type}s` : type
}

function defaultOf({ property: { schema, required, fallback }, optionalParent }: Row): string {
  if (required) {
    return optionalParent === undefined ? '**required**' : `**required** in ${code(optionalParent)}`
  }
  const value = schema.default ?? fallback
  const isEmpty = typeof value === 'object' && JSON.stringify(value).length === 2
  return value === undefined || isEmpty ? '' : code(value)
}

function describe({ schema, variants }: Property): string {
  const { description, minProperties, maxProperties } = schema
  const alternatives = (schema.oneOf ?? schema.anyOf ?? []).filter(isSchema)
  const choices = alternatives.flatMap((branch) =>
    branch.const === undefined ? [] : [`${code(branch.const)}: ${branch.description ?? ''}`],
  )
  return [
    ...(variants.length === 0 ? [] : [`With ${listed(variants.map(code))}.`]),
    ...(description === undefined ? choices : [description]),
    ...(minProperties === 1 && maxProperties === 1 ? ['Exactly one of its keys is given.'] : []),
  ].join('<br>')
}

function listed(words: readonly string[]): string {
  return words.length < 2
    ? words.join('')
    : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}
