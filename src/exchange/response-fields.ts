import {
  connectionOptions,
  fieldNames,
  type FieldNames,
  HOP_BY_HOP,
  isField,
} from '../http/field-lines.ts'
import { mapRefresh, type ReferenceMap } from '../routing/reference-map.ts'
import { type CookiePolicy, mapCookie } from '../routing/set-cookie.ts'
import { viaMember } from './via.ts'

/** What a route does to response fields, prepared when the configuration is loaded. */
export type ResponseFieldPolicy = {
  /** Fields that are meant for the sidecar only. */
  readonly hidden: FieldNames
  /** Our name in `Via`; undefined for none. */
  readonly via: string | undefined
  /** Rewrites URLs that point to the upstream; undefined to leave them. */
  readonly references: ReferenceMap | undefined
  /** Undefined to leave cookies as they are. */
  readonly cookies: CookiePolicy | undefined
}

export type ResponseContext = {
  /** The origin by which the application addressed the sidecar. */
  readonly ownOrigin: string
  /** The version of HTTP of the response. */
  readonly version: string
  /** Whether trailer fields can be forwarded, and therefore `Trailer` (RFC 9110 section 6.6.2). */
  readonly mayHaveTrailers: boolean
  /** False for 1xx and 204, which have no content (RFC 9110 section 8.6). */
  readonly mayHaveLength: boolean
}

const NOT_FORWARDED = fieldNames(HOP_BY_HOP)

/** The fields for the application. `raw` alternates names and values. */
export function responseFields(
  raw: readonly string[],
  policy: ResponseFieldPolicy,
  { ownOrigin, version, mayHaveTrailers, mayHaveLength }: ResponseContext,
): string[] {
  const { hidden, via, references, cookies } = policy
  const listed = connectionOptions(raw)
  const forwarded: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    if (mayHaveTrailers && isField(name, 'trailer')) {
      forwarded.push(name, value)
      continue
    }
    if (NOT_FORWARDED.has(name) || hidden.has(name)) continue
    if (!mayHaveLength && isField(name, 'content-length')) continue
    if (listed?.has(name.toLowerCase()) === true) continue
    if (
      references !== undefined &&
      (isField(name, 'location') || isField(name, 'content-location'))
    ) {
      forwarded.push(name, references(value, ownOrigin))
    } else if (references !== undefined && isField(name, 'refresh')) {
      forwarded.push(name, mapRefresh(value, references, ownOrigin))
    } else if (cookies !== undefined && isField(name, 'set-cookie')) {
      forwarded.push(name, mapCookie(value, cookies))
    } else {
      forwarded.push(name, value)
    }
  }
  if (via !== undefined) forwarded.push('Via', viaMember(version, via))
  return forwarded
}

/** The fields of an interim response (RFC 9110 section 15.2), which are not rewritten. */
export function interimFields(raw: readonly string[]): string[] {
  return responseFields(raw, UNTOUCHED, NO_CONTEXT)
}

/** For an interim response, and for a 101. */
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
