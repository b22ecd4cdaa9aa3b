import * as z from 'zod'
import { credential } from './credential-schema.ts'
import type { KeyPath } from './problem.ts'
import { routeSchema } from './route-schema.ts'
import {
  childOf,
  discriminatorOf,
  isRecord,
  memberOf,
  type Setting,
  settingOf,
} from './schema-walk.ts'

/*
 * `defaults` holds settings for all routes or all credentials. They are merged before any rule is checked, so
 * that the rules see the effective settings; a problem is reported at the position of the value that causes it.
 */

/** The settings that may have a default: all but the name of a route, which must be unique. */
export const defaultsSchema = z.strictObject({
  credentials: credential
    .partial()
    .optional()
    .describe('Settings for every credential that does not set them itself.'),
  routes: routeSchema
    .omit({ name: true })
    .partial()
    .optional()
    .describe('Settings for every route that does not set them itself, except `name`.'),
})

/** Alternatives: any of these in a credential replaces the defaults of all three. */
const SERVER_KEYS: ReadonlySet<string> = new Set(['issuer', 'tokenEndpoint', 'provider'])

export type Merged = {
  readonly data: unknown
  /** The path in the file of the value at a path of `data`, or where it would have to be. */
  readonly originOf: (path: KeyPath) => KeyPath
}

/** The data with the defaults merged into each route and credential, and without `defaults` itself. */
export function applyDefaults(file: unknown): Merged {
  if (!isRecord(file)) return { data: file, originOf: (path) => path }
  const { defaults, credentials, routes, ...others } = withoutExtensions(file)
  const forCredential = memberOf(defaults, 'credentials')
  const forRoute = memberOf(defaults, 'routes')
  const data = {
    ...others,
    ...(credentials !== undefined && {
      credentials: isRecord(credentials)
        ? Object.fromEntries(
            Object.entries(credentials).map(([name, own]) => [
              name,
              mergeItem(settingOf(credential), forCredential, own),
            ]),
          )
        : credentials,
    }),
    ...(routes !== undefined && {
      routes: Array.isArray(routes)
        ? routes.map((own: unknown) => mergeItem(settingOf(routeSchema), forRoute, own))
        : routes,
    }),
  }
  return {
    data,
    originOf(path) {
      const [kind, , ...rest] = path
      if (kind !== 'credentials' && kind !== 'routes') return path
      const at = path.findIndex((_key, index) => !hasOwn(file, path.slice(0, index + 1)))
      const isDefault = at >= 2 && hasOwn(data, path.slice(0, at + 1))
      return isDefault ? ['defaults', kind, ...rest] : path
    },
  }
}

function mergeItem(setting: Setting, defaults: unknown, own: unknown): unknown {
  if (!isRecord(defaults) || !isRecord(own)) return own
  const setsServer = Object.keys(own).some((key) => SERVER_KEYS.has(key))
  const applicable = setsServer
    ? Object.fromEntries(Object.entries(defaults).filter(([key]) => !SERVER_KEYS.has(key)))
    : defaults
  return merge(setting, applicable, own)
}

/** Maps are merged key by key, unless they are different variants of a union; other values are replaced. */
function merge(setting: Setting, defaults: unknown, own: unknown): unknown {
  if (own === undefined) return defaults
  if (!isRecord(defaults) || !isRecord(own) || setting.role.isIndivisible === true) return own
  const tag = discriminatorOf(setting)
  if (tag !== undefined && own[tag] !== undefined && own[tag] !== defaults[tag]) return own
  const meant = { ...defaults, ...own }
  return Object.fromEntries(
    Object.keys(meant).map((key) => [
      key,
      merge(childOf(setting, key, meant), memberOf(defaults, key), memberOf(own, key)),
    ]),
  )
}

/** Top-level keys that start with "x-" are extensions that may hold anchors. */
function withoutExtensions(
  file: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(file).filter(([key]) => !isExtension(key)))
}

export function isExtension(key: string): boolean {
  return /^x-./.test(key)
}

function hasOwn(data: unknown, path: KeyPath): boolean {
  let value = data
  for (const key of path) {
    const isThere = Array.isArray(value)
      ? typeof key === 'number' && key < value.length
      : isRecord(value) && Object.hasOwn(value, key)
    if (!isThere) return false
    value = memberOf(value, key)
  }
  return true
}
