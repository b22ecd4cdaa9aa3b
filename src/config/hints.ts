import * as z from 'zod'
import { closest } from '../lib/closest.ts'
import type { KeyPath } from './problem.ts'
import { isQuotable } from './quotable.ts'
import { isRecord, keysOf, memberOf, type Schema, type Setting } from './schema-walk.ts'
import { DURATION_PATTERN, SIZE_PATTERN } from './units.ts'

export type Written = {
  readonly value: unknown
  /** As written in the file, if it is a scalar without quotes. */
  readonly plainText: string | undefined
}

/** How to write a value that has the wrong type. */
export function typeHint(setting: Setting, { value, plainText }: Written): string | undefined {
  const { schemas, role } = setting
  if (schemas.length === 0) return undefined
  const quoted = (text: string): string =>
    role.visibility !== 'private' && SHORT.test(text) && isQuotable(text) ? text : '…'

  if (!isRecord(value)) {
    switch (role.reference) {
      case 'secret':
      case 'user name':
      case 'encryption key':
      case 'signing key':
      case 'token': {
        return 'write where it is stored: { file: … } or { env: … }'
      }
      case 'certificate':
      case 'private key': {
        return 'write { file: … }'
      }
      case undefined:
      case 'key pair':
      case 'file': {
        break
      }
    }
    if (value === undefined) return undefined
    const keys = schemas.every(isMapSchema) ? keysOf(setting, {}) : []
    if (keys.length > 0 && value !== null) return `write a map of ${keys.join(', ')}`
  }
  if (isRecord(value) && schemas.some((schema) => schema instanceof z.ZodArray)) {
    return 'begin each item with "- "'
  }
  if (plainText !== undefined && (typeof value === 'number' || typeof value === 'boolean')) {
    const lists = schemas.filter((schema) => schema instanceof z.ZodArray)
    if (accepts(lists, [plainText])) return `write ["${quoted(plainText)}"]`
  }
  const items = listOf(schemas, value)
  if (items !== undefined) return `write [${items.map((item) => quoted(String(item))).join(', ')}]`
  if (Array.isArray(value) && value.length === 1 && accepts(schemas, value[0])) {
    return 'write it without brackets'
  }
  if (plainText !== undefined && typeof value !== 'string' && accepts(schemas, plainText)) {
    const shown = quoted(plainText)
    return shown === '…' ? 'put it in quotes' : `put it in quotes: "${shown}"`
  }
  if (typeof value === 'string') return scalarHint(schemas, value)
  return undefined
}

function isMapSchema(schema: Schema): boolean {
  return schema instanceof z.ZodObject || schema instanceof z.ZodDiscriminatedUnion
}

const SHORT = /^[\w.:/*-]{1,40}$/

/** The list that the value most likely stands for, if the setting accepts only lists. */
function listOf(schemas: readonly Schema[], value: unknown): unknown[] | undefined {
  const lists = schemas.filter((schema) => schema instanceof z.ZodArray)
  if (lists.length === 0 || Array.isArray(value) || isRecord(value)) return undefined
  if (accepts(lists, [value])) return [value]
  if (typeof value === 'string' && accepts(lists, [value.toUpperCase()])) {
    return [value.toUpperCase()]
  }
  const parts = typeof value === 'string' ? value.split(/[\s,]+/).filter(Boolean) : []
  return parts.length > 1 && accepts(lists, parts) ? parts : undefined
}

function scalarHint(schemas: readonly Schema[], value: string): string | undefined {
  if (schemas.some((schema) => schema instanceof z.ZodBoolean)) {
    if (/^(?:true|false)$/i.test(value)) return 'write it without quotes'
    if (/^(?:yes|on|y)$/i.test(value)) return 'YAML 1.2 has only true and false: write true'
    if (/^(?:no|off|n)$/i.test(value)) return 'YAML 1.2 has only true and false: write false'
  }
  const isNumber = /^[+-]?\d+(?:\.\d+)?$/.test(value) && accepts(schemas, Number(value))
  return isNumber ? 'write it without quotes' : undefined
}

export type Suggestion = {
  readonly hint: string
  /** Whether the value resembles what was meant, so that it may be quoted. */
  readonly isNear: boolean
}

/** The value that was most likely meant, if the setting accepts it. */
export function suggestion({ schemas, role }: Setting, value: unknown): Suggestion | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    return undefined
  }
  const written = String(value)
  if (/^\$[A-Za-z_]\w*$/.test(written)) {
    return { hint: 'a variable is written "${NAME}"', isNear: false }
  }
  if (
    (written === '1' || written === '0') &&
    schemas.some((schema) => schema instanceof z.ZodBoolean)
  ) {
    return { hint: `write ${written === '1'}`, isNear: true }
  }
  const choices = schemas.flatMap((schema) => {
    if (schema instanceof z.ZodEnum) return schema.options.map(String)
    return schema instanceof z.ZodLiteral ? [...schema.values].map(String) : []
  })
  if (choices.includes('off') && /^(?:true|yes|false|no)$/i.test(written)) {
    const choice = /^(?:true|yes)$/i.test(written) ? 'on' : 'off'
    return choices.includes(choice) ? { hint: `write ${choice}`, isNear: true } : undefined
  }
  if (choices.length > 0) {
    const meant =
      choices.find((choice) => spelling(choice) === spelling(written)) ??
      choices.find((choice) => written.toLowerCase().startsWith(choice)) ??
      closest(written, choices)
    return meant === undefined
      ? undefined
      : { hint: `did you mean "${meant}"?`, isNear: role.visibility !== 'private' }
  }
  if (role.visibility === 'private') return undefined
  const corrected = corrections(written).find((text) => accepts(schemas, text))
  if (corrected === undefined) return unitHint(schemas, written)
  if (isShortAndQuotable(written)) return { hint: `did you mean "${corrected}"?`, isNear: true }
  return written !== '' && corrected === `/${written}`
    ? { hint: 'begin it with "/"', isNear: false }
    : undefined
}

/** The units, if the setting is a duration or a size. */
function unitHint(schemas: readonly Schema[], written: string): Suggestion | undefined {
  if (!/\d/.test(written) || isAmount(written) || accepts(schemas, 'text')) return undefined
  const units = accepts(schemas, '1s')
    ? 'ms, s, m or h'
    : accepts(schemas, '1KiB')
      ? 'B, KiB, MiB or GiB'
      : undefined
  return units === undefined
    ? undefined
    : { hint: `write one number and one unit: ${units}`, isNear: false }
}

/** One that is rejected because it is too small or too large. */
function isAmount(text: string): boolean {
  return DURATION_PATTERN.test(text) || SIZE_PATTERN.test(text)
}

function isShortAndQuotable(text: string): boolean {
  return SHORT_VALUE.test(text) && isQuotable(text)
}

const SHORT_VALUE = /^[\w.:/*[\] -]{1,40}$/

/** Likely corrections: addresses without a host, URLs without a scheme, amounts without a unit. */
function corrections(written: string): string[] {
  const text = written.trim()
  const withUnit = UNITS.map(([spelt, unit]) => text.replace(spelt, `$1${unit}`))
  return [
    ...(/^:?\d+$/.test(text) ? [`127.0.0.1:${text.replace(':', '')}`, `${text}s`, `${text}B`] : []),
    text.replace(/^\*(?=:)/, '0.0.0.0'),
    text.replace(/^https?:\/\//, '').replace(/\/$/, ''),
    text.replace(/^ws(s?):\/\//, 'http$1://'),
    text.replace(/^([\da-fA-F:]*:[\da-fA-F]*):(\d+)$/, '[$1]:$2'),
    ...(text.startsWith('/') ? [`unix:${text}`] : []),
    ...(/^(?:localhost|127\.\d+\.\d+\.\d+)(?::\d+)?(?:\/|$)/.test(text) ? [`http://${text}`] : []),
    ...(/^[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:\/|$)/.test(text) ? [`https://${text}`] : []),
    ...withUnit,
    `/${text}`,
    text.toUpperCase(),
  ].filter((correction) => correction !== written)
}

/** Common spellings of units, and the ones that are accepted. */
const UNITS: readonly (readonly [RegExp, string])[] = [
  [/^(\d+)\s*(?:ms|msecs?|milliseconds?)$/i, 'ms'],
  [/^(\d+)\s*(?:s|secs?|seconds?)$/i, 's'],
  [/^(\d+)\s*(?:m|mins?|minutes?)$/i, 'm'],
  [/^(\d+)\s*(?:h|hrs?|hours?)$/i, 'h'],
  [/^(\d+)\s*(?:b|bytes?)$/i, 'B'],
  [/^(\d+)\s*(?:k|kb|ki|kib)$/i, 'KiB'],
  [/^(\d+)\s*(?:m|mb|mi|mib)$/i, 'MiB'],
]

/** The same for `client_secret`, `client-secret` and `clientSecret`. */
export function spelling(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase()
}

function accepts(schemas: readonly Schema[], value: unknown): boolean {
  return schemas.some((schema) => z.safeParse(schema, value).success)
}

/** The value at a path. */
export function valueAt(data: unknown, path: KeyPath): unknown {
  let value = data
  for (const key of path) value = memberOf(value, key)
  return value
}
