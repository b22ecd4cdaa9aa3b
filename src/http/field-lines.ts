/*
 * Header sections are arrays of alternating names and values, which keep the order, case and number of
 * fields; objects would not.
 */

/** Whether `name` is the field `wanted`, which is in lower case. */
export function isField(name: string, wanted: string): boolean {
  return name.length === wanted.length && name.toLowerCase() === wanted
}

/** All values of one field; `wanted` in lower case. */
export function fieldValues(raw: readonly string[], wanted: string): string[] {
  const values: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    if (isField(raw[i] ?? '', wanted)) values.push(raw[i + 1] ?? '')
  }
  return values
}

/**
 * Fields that concern one connection alone (RFC 9110 section 7.6.1, and RFC 7540 section 3.2.1 for
 * `HTTP2-Settings`). `Proxy-Authorization` is meant for this proxy (section 11.7.1).
 */
export const HOP_BY_HOP = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
] as const

/** A set of field names, in any case. */
export type FieldNames = { readonly has: (name: string) => boolean }

/** Looked up by length first: most names match none of these, and would be lower-cased for nothing. */
export function fieldNames(names: Iterable<string>): FieldNames {
  const byLength: string[][] = []
  for (const name of names) {
    const sameLength = (byLength[name.length] ??= [])
    sameLength.push(name.toLowerCase())
  }
  return { has: (name) => byLength[name.length]?.includes(name.toLowerCase()) === true }
}

/** Fields that `Connection` must not remove, because they describe the message. */
const NOT_FOR_CONNECTION = new Set(['content-length', 'content-type', 'host'])

/** Adds the fields that one value of `Connection` names; `close` and `keep-alive` are not fields. */
export function addConnectionOptions(
  listed: Set<string> | undefined,
  value: string,
): Set<string> | undefined {
  if (value === 'keep-alive' || value === 'close') return listed
  let options = listed
  for (const option of value.toLowerCase().split(',')) {
    // Not trim(), which also removes characters that belong to a name in HTTP.
    const name = option.replaceAll(/^[ \t]+|[ \t]+$/g, '')
    if (name === '' || name === 'keep-alive' || name === 'close' || NOT_FOR_CONNECTION.has(name))
      continue
    options ??= new Set()
    options.add(name)
  }
  return options
}

/** The fields that `Connection` names. */
export function connectionOptions(raw: readonly string[]): Set<string> | undefined {
  let listed: Set<string> | undefined
  for (const value of fieldValues(raw, 'connection')) listed = addConnectionOptions(listed, value)
  return listed
}
