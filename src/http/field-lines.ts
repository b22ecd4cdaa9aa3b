/*
 * Header sections as they travel: an array of names and values, alternating, in their own order, case
 * and number. Objects would merge, drop and rename.
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

/** Names of fields, however they are written. */
export type FieldNames = { readonly has: (name: string) => boolean }

/**
 * Most names are none of these, and their length with their first letter tells: they are not put in
 * lower case, and have no hash made for them, which for ten or twenty names in each message adds up.
 */
export function fieldNames(names: Iterable<string>): FieldNames {
  const known = new Set([...names].map((name) => name.toLowerCase()))
  /** For each length, a bit for each letter that a name of this length begins with. */
  const firstLetters = new Int32Array(LENGTHS)
  for (const name of known) setBit(firstLetters, name)
  return { has: (name) => hasBit(firstLetters, name) && known.has(name.toLowerCase()) }
}

/** Longer names share the places of shorter ones. */
const LENGTHS = 32

function setBit(bits: Int32Array, name: string): void {
  const at = name.length % LENGTHS
  bits[at] = (bits[at] ?? 0) | (1 << letterOf(name))
}

function hasBit(bits: Int32Array, name: string): boolean {
  return (((bits[name.length % LENGTHS] ?? 0) >>> letterOf(name)) & 1) === 1
}

/** ASCII letters have the same last five bits in either case. */
function letterOf(name: string): number {
  return name.charCodeAt(0) & 31
}

/** Fields that naming them in `Connection` must not remove: they say what the message is. */
const NOT_FOR_CONNECTION = new Set(['content-length', 'content-type', 'host'])

/** Adds the fields that one value of `Connection` names, beyond the two words that are no fields. */
export function addConnectionOptions(
  listed: Set<string> | undefined,
  value: string,
): Set<string> | undefined {
  if (value === 'keep-alive' || value === 'close') return listed
  let options = listed
  for (const option of value.toLowerCase().split(',')) {
    // Not trim(), which also takes what is a byte of a name to HTTP.
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
