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

/** The trailer fields that may be forwarded, as pairs. `fields` alternates names and values. */
export function forwardableTrailers(fields: readonly string[]): [string, string][] {
  const trailers: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (!NOT_IN_TRAILERS.has(name)) trailers.push([name, fields[i + 1] ?? ''])
  }
  return trailers
}
