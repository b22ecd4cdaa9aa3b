import { fieldNames, HOP_BY_HOP } from './field-lines.ts'

// RFC 9110 section 6.5.1: fields that affect framing, routing, authentication or content format.
const NOT_IN_TRAILERS = fieldNames([
  ...HOP_BY_HOP,
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'set-cookie',
])

/** The trailer fields that may be forwarded; names and values alternate. */
export function forwardableTrailers(fields: readonly string[]): readonly string[] {
  const trailers: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (!NOT_IN_TRAILERS.has(name)) trailers.push(name, fields[i + 1] ?? '')
  }
  return trailers
}

/** As the pairs that `node:http` expects. */
export function fieldPairs(fields: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i] ?? '', fields[i + 1] ?? ''])
  return pairs
}
