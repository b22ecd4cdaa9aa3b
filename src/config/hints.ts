import * as z from 'zod'
import type { KeyPath } from './problem.ts'
import { looksPublic } from './repeatable.ts'
import { isRecord, keysOf, memberOf, type Schema, type Setting } from './schema-walk.ts'

export type Written = {
  readonly value: unknown
  /** As the file has it, if it is a scalar without quotes. */
  readonly plainText: string | undefined
}

/** How to write a value that has the wrong type, so that no manual is needed. */
export function typeHint(setting: Setting, { value, plainText }: Written): string | undefined {
  const { schemas, role } = setting
  if (value === undefined || schemas.length === 0) return undefined
  const repeat = (text: string): string =>
    role.visibility !== 'private' && SHORT.test(text) && looksPublic(text) ? text : '…'

  if (!isRecord(value)) {
    switch (role.reference) {
      case 'secret':
      case 'signing key':
      case 'token': {
        return 'write where it is kept: { file: … } or { env: … }'
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
    const keys = schemas.every(isMapSchema) ? keysOf(setting, {}) : []
    if (keys.length > 0 && value !== null) return `write a map of ${keys.join(', ')}`
  }
  if (isRecord(value) && schemas.some((schema) => schema instanceof z.ZodArray)) {
    return 'begin each item with "- "'
  }
  const items = listOf(schemas, value)
  if (items !== undefined) return `write [${items.map((item) => repeat(String(item))).join(', ')}]`
  if (Array.isArray(value) && value.length === 1 && accepts(schemas, value[0])) {
    return 'write it without brackets'
  }
  if (plainText !== undefined && typeof value !== 'string' && accepts(schemas, plainText)) {
    const shown = repeat(plainText)
    return shown === '…' ? 'put it in quotes' : `put it in quotes: "${shown}"`
  }
  if (typeof value === 'string') return scalarHint(schemas, value)
  return undefined
}

function isMapSchema(schema: Schema): boolean {
  return schema instanceof z.ZodObject || schema instanceof z.ZodDiscriminatedUnion
}

const SHORT = /^[\w.:/*-]{1,40}$/

/** A list that the value may have been meant as, for a setting that takes lists only. */
function listOf(schemas: readonly Schema[], value: unknown): unknown[] | undefined {
  const lists = schemas.filter((schema) => schema instanceof z.ZodArray)
  if (lists.length === 0 || Array.isArray(value) || isRecord(value)) return undefined
  if (accepts(lists, [value])) return [value]
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

function accepts(schemas: readonly Schema[], value: unknown): boolean {
  return schemas.some((schema) => z.safeParse(schema, value).success)
}

/** What stands at a path. */
export function valueAt(data: unknown, path: KeyPath): unknown {
  let value = data
  for (const key of path) value = memberOf(value, key)
  return value
}
