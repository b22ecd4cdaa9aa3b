import * as z from 'zod'
import type { KeyPath } from './problem.ts'
import { type SettingRole, settingRoles } from './setting-roles.ts'

export type Schema = z.core.$ZodType

export type Setting = {
  /** The schemas that it may match, without wrappers for defaults and transformations. */
  readonly schemas: readonly Schema[]
  readonly role: SettingRole
}

type Union = z.ZodDiscriminatedUnion

/** The setting of a schema, with the roles that its wrappers are registered for. */
export function settingOf(schema: Schema): Setting {
  let inner = schema
  const role: { -readonly [Key in keyof SettingRole]: SettingRole[Key] } = {}
  for (;;) {
    const { visibility, reference, isIndivisible } = settingRoles.get(inner) ?? {}
    if (visibility !== undefined) role.visibility ??= visibility
    if (reference !== undefined) role.reference ??= reference
    if (isIndivisible !== undefined) role.isIndivisible ??= isIndivisible
    if (
      inner instanceof z.ZodOptional ||
      inner instanceof z.ZodDefault ||
      inner instanceof z.ZodPrefault
    ) {
      inner = inner.unwrap()
    } else if (inner instanceof z.ZodPipe) inner = inner.in
    else return { schemas: [inner], role }
  }
}

/** The setting at a path of `data`; without schemas if the path is unknown. */
export function settingAt(root: Schema, path: KeyPath, data: unknown): Setting {
  let setting = settingOf(root)
  let value = data
  for (const key of path) {
    setting = childOf(setting, key, value)
    value = memberOf(value, key)
  }
  return setting
}

/** The setting below `key`, which inherits the visibility of its parent. */
export function childOf({ schemas, role }: Setting, key: PropertyKey, value: unknown): Setting {
  const children = schemas.flatMap((schema) => {
    const isDiscriminator = schema instanceof z.ZodDiscriminatedUnion && key === tagOf(schema)
    return variantsOf(schema, value).flatMap((variant) => {
      const child = childSchema(variant, key)
      if (child === undefined) return []
      const setting = settingOf(child)
      return isDiscriminator
        ? [{ ...setting, role: { ...setting.role, visibility: 'public' as const } }]
        : [setting]
    })
  })
  const [first] = children
  const visibility = first?.role.visibility ?? role.visibility
  return {
    schemas: [...new Set(children.flatMap((child) => child.schemas))],
    role: { ...first?.role, ...(visibility !== undefined && { visibility }) },
  }
}

/** The keys that a map may have at this place. */
export function keysOf({ schemas }: Setting, value: unknown): string[] {
  const variants = schemas.flatMap((schema) => variantsOf(schema, value))
  return [...new Set(variants.flatMap(ownKeys))]
}

/** Which variants of a union have a key: the discriminator and their names. */
export function variantsWith(
  { schemas }: Setting,
  key: string,
): { readonly tag: string; readonly names: readonly string[] } | undefined {
  const union = schemas.find((schema) => schema instanceof z.ZodDiscriminatedUnion)
  if (union === undefined) return undefined
  const names = optionsOf(union)
    .filter((option) => ownKeys(option).includes(key))
    .map((option) => nameOf(option, tagOf(union)))
  return names.length === 0 ? undefined : { tag: tagOf(union), names }
}

/** The discriminator of a union; undefined if the setting is not a discriminated union. */
export function discriminatorOf({ schemas }: Setting): string | undefined {
  const union = schemas.find((schema) => schema instanceof z.ZodDiscriminatedUnion)
  return union && tagOf(union)
}

/** The variants of a union that match the discriminator of a value; the schema itself if it is not a union. */
function variantsOf(schema: Schema, value: unknown): Schema[] {
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const tag = tagOf(schema)
    const given = memberOf(value, tag)
    const options = optionsOf(schema)
    const meant = options.filter((option) => {
      const name = childSchema(option, tag)
      return name !== undefined && z.safeParse(name, given).success
    })
    return meant.length > 0 ? meant : options
  }
  if (schema instanceof z.ZodUnion) {
    return optionsOf(schema).flatMap((option) =>
      settingOf(option).schemas.flatMap((inner) => variantsOf(inner, value)),
    )
  }
  return [schema]
}

function childSchema(schema: Schema, key: PropertyKey): Schema | undefined {
  if (schema instanceof z.ZodObject) {
    const shape: Readonly<Record<string, Schema>> = schema.shape
    return Object.hasOwn(shape, key) ? shape[String(key)] : undefined
  }
  if (schema instanceof z.ZodRecord) return schema.valueType
  return schema instanceof z.ZodArray && typeof key === 'number' ? schema.element : undefined
}

function ownKeys(schema: Schema): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

function optionsOf(union: Union | z.ZodUnion): Schema[] {
  return [...union.options]
}

function tagOf(union: Union): string {
  return union.def.discriminator
}

function nameOf(option: Schema, tag: string): string {
  const [literal] = settingOf(childSchema(option, tag) ?? option).schemas
  return literal instanceof z.ZodLiteral ? String([...literal.values][0]) : ''
}

/** The own member of a map or a list. */
export function memberOf(value: unknown, key: PropertyKey): unknown {
  if (Array.isArray(value)) return typeof key === 'number' ? value[key] : undefined
  if (!isRecord(value) || !Object.hasOwn(value, key)) return undefined
  return value[String(key)]
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
