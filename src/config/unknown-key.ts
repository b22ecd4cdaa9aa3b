import * as z from 'zod'
import { closest } from '../lib/closest.ts'
import { isExtension } from './defaults.ts'
import { spelling, valueAt } from './hints.ts'
import { formatKeyPath, isPlainKey, type KeyPath } from './problem.ts'
import { illegalCharacter, isQuotableKey } from './quotable.ts'
import { keysOf, memberOf, type Schema, settingAt, settingOf, variantsWith } from './schema-walk.ts'

export type UnknownKey = {
  readonly message: string
  /** The key that it most likely stands for. */
  readonly meant?: string
}

/** The message for a key that the schema does not have at a path of `data`; `origin` is its path in the file. */
export function unknownKey(
  root: Schema,
  { path, origin }: { readonly path: KeyPath; readonly origin: KeyPath },
  key: string,
  data: unknown,
): UnknownKey {
  const setting = settingAt(root, path, data)
  const map = valueAt(data, path)
  const known = keysOf(setting, map)
  // Other tools use snake case, such as `client_secret`.
  const name = known.includes(key) ? key : (spellingIn(root, key) ?? key)
  const variants = variantsWith(setting, name)
  const places = placesOf(root, name).filter((place) => place !== genericPath(path))
  const here = genericPath(path)
  const around = places.filter((place) => here.startsWith(place) && place !== '')
  const below = places.filter((place) => place.startsWith(here) && here !== '')
  const near = variants === undefined && around.length === 0 ? below : around
  const closestKey = known.includes(name) ? name : closest(key, known)
  const meant = variants === undefined ? closestKey : undefined

  const hints = [
    ...(meant === undefined ? [] : [`did you mean "${meant}"?`]),
    ...(variants === undefined ? [] : [`only with ${variants.tag} ${variants.names.join(' or ')}`]),
    ...(near.length === 0 ? [] : [`it belongs in ${near.map(placeIn(origin)).join(' or ')}`]),
  ]
  if (hints.length === 0) {
    if (places.length > 0) hints.push(`it belongs in ${places.join(' or ')}`)
    else if (isExtension(key)) hints.push('keys that start with "x-" are for the top of the file')
    else hints.push(`expected one of ${known.join(', ')}`)
  }
  const foreign = illegalCharacter(key, /^[\x20-\x7e]$/)
  if (foreign !== undefined) hints.unshift(foreign)
  if (meant === undefined && name !== key) hints.unshift(`here it is spelt "${name}"`)
  // A mistake in the syntax can turn a secret into a key, so only keys of the schema, and keys that
  // differ little from one, are quoted.
  const isKnown = meant !== undefined || variants !== undefined || places.length > 0
  const isHarmless =
    setting.role.visibility !== 'private' && isQuotableKey(key) && memberOf(map, key) !== null
  const shown = isPlainKey(key) && (isKnown || isHarmless || isExtension(key)) ? ` "${key}"` : ''
  return {
    message: `unknown key${shown}; ${hints.join('; ')}`,
    ...(meant !== undefined && { meant }),
  }
}

/** The maps of the schema that have a key, such as `credentials.NAME.auth`. */
function placesOf(root: Schema, key: string): string[] {
  const places = [...mapsOf(root, '')].filter(({ keys }) => keys.includes(key))
  return [...new Set(places.map(({ place }) => place))]
}

/** The key of the schema that differs only in case, "_" and "-". */
function spellingIn(root: Schema, key: string): string | undefined {
  const wanted = spelling(key)
  for (const { keys } of mapsOf(root, '')) {
    const found = keys.find((known) => spelling(known) === wanted)
    if (found !== undefined) return found
  }
  return undefined
}

type MapOfKeys = { readonly place: string; readonly keys: readonly string[] }

/** All maps with fixed keys, except those of `defaults`, which are the same again. */
function* mapsOf(schema: Schema, place: string): Generator<MapOfKeys> {
  for (const inner of settingOf(schema).schemas) {
    if (inner instanceof z.ZodObject) {
      const shape: Readonly<Record<string, Schema>> = inner.shape
      yield { place, keys: Object.keys(shape) }
      for (const [name, child] of Object.entries(shape)) {
        if (name !== 'defaults') yield* mapsOf(child, place === '' ? name : `${place}.${name}`)
      }
    } else if (inner instanceof z.ZodRecord) yield* mapsOf(inner.valueType, `${place}.NAME`)
    else if (inner instanceof z.ZodArray) yield* mapsOf(inner.element, `${place}[]`)
    else if (inner instanceof z.ZodUnion) {
      for (const option of inner.options) yield* mapsOf(option, place)
    }
  }
}

/** A path in the form that `placesOf` returns. */
function genericPath([kind, item, ...rest]: KeyPath): string {
  if (kind === undefined) return ''
  if (item === undefined) return String(kind)
  const start =
    typeof item === 'number' ? '[]' : kind === 'credentials' ? '.NAME' : `.${String(item)}`
  return `${String(kind)}${start}${rest.map((key) => `.${String(key)}`).join('')}`
}

/** The same place in the route or the credential that the path is in. */
function placeIn(origin: KeyPath) {
  return (place: string): string => {
    const item = formatKeyPath(origin.slice(0, 2))
    return `"${place.replace(/^(?:credentials\.NAME|routes\[\])/, item)}"`
  }
}

/** Whether some map of the schema has this key. */
export function isSchemaKey(root: Schema, key: string): boolean {
  for (const { keys } of mapsOf(root, '')) if (keys.includes(key)) return true
  return false
}
