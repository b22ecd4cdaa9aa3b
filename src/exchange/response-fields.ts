import {
  connectionOptions,
  fieldNames,
  type FieldNames,
  HOP_BY_HOP,
  isField,
} from '../http/field-lines.ts'
import { mapRefresh, type ReferenceMap } from '../routing/reference-map.ts'
import { type CookiePolicy, mapCookie } from '../routing/set-cookie.ts'
import { viaLine } from './via.ts'

/** What a route does to response headers, made ready once. */
export type ResponseFieldPolicy = {
  /** What is nobody's business but ours. */
  readonly hidden: FieldNames
  /** The name to put into `Via`; undefined for none. */
  readonly via: string | undefined
  /** How references to the upstream read from here; undefined to leave them. */
  readonly references: ReferenceMap | undefined
  /** Undefined to leave cookies as they are. */
  readonly cookies: CookiePolicy | undefined
}

export type ResponseContext = {
  /** How the application addressed us. */
  readonly ownOrigin: string
  /** The version of HTTP of the response. */
  readonly version: string
  /** Whether trailers can be passed on, and so what announces them (RFC 9110 section 6.6.2). */
  readonly mayHaveTrailers: boolean
  /** False where there can be no content (RFC 9110 section 8.6: 1xx and 204). */
  readonly mayHaveLength: boolean
}

const NOT_FORWARDED = fieldNames(HOP_BY_HOP)

/** The headers for the application. `raw` alternates names and values. */
export function responseFields(
  raw: readonly string[],
  policy: ResponseFieldPolicy,
  { ownOrigin, version, mayHaveTrailers, mayHaveLength }: ResponseContext,
): string[] {
  const { hidden, via, references, cookies } = policy
  const listed = connectionOptions(raw)
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    if (mayHaveTrailers && isField(name, 'trailer')) {
      headers.push(name, value)
      continue
    }
    if (NOT_FORWARDED.has(name) || hidden.has(name)) continue
    if (!mayHaveLength && isField(name, 'content-length')) continue
    if (listed?.has(name.toLowerCase()) === true) continue
    if (
      references !== undefined &&
      (isField(name, 'location') || isField(name, 'content-location'))
    ) {
      headers.push(name, references(value, ownOrigin))
    } else if (references !== undefined && isField(name, 'refresh')) {
      headers.push(name, mapRefresh(value, references, ownOrigin))
    } else if (cookies !== undefined && isField(name, 'set-cookie')) {
      headers.push(name, mapCookie(value, cookies))
    } else {
      headers.push(name, value)
    }
  }
  if (via !== undefined) headers.push('Via', viaLine(version, via))
  return headers
}

/** Those of an interim response (RFC 9110 section 15.2), which is relayed as it is. */
export function interimFields(raw: readonly string[]): string[] {
  return responseFields(raw, UNTOUCHED, NO_CONTEXT)
}

/** For what is no whole answer. */
export const NO_CONTEXT: ResponseContext = {
  ownOrigin: '',
  version: '1.1',
  mayHaveTrailers: false,
  mayHaveLength: false,
}

const UNTOUCHED: ResponseFieldPolicy = {
  hidden: fieldNames([]),
  via: undefined,
  references: undefined,
  cookies: undefined,
}
