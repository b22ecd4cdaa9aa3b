import { SidecarError } from '../errors.ts'
import {
  fieldNames,
  type FieldNames,
  fieldValues,
  HOP_BY_HOP,
  isField,
} from '../http/field-lines.ts'
import { forwardableTrailers } from '../http/trailer-fields.ts'
import { addForwarded, type ForwardedStyle, type Sender } from './forwarded.ts'
import type { RequestHead } from '../http/request-head.ts'
import { viaMember } from './via.ts'

/** What a route does to request fields, prepared when the configuration is loaded. All names are in lower case. */
export type RequestFieldPolicy = {
  /** The value of `Host` for the upstream; undefined to keep the application's. */
  readonly host: string | undefined
  /** The field that carries the token; undefined for a route that adds none. */
  readonly injected: string | undefined
  readonly existing: 'replace' | 'keep' | 'reject'
  /** Fields that are not forwarded, because the route removes or sets them. */
  readonly dropped: FieldNames
  /** Names and values, alternating, that are added. */
  readonly added: readonly string[]
  /** Our name in `Via`; undefined for none. */
  readonly via: string | undefined
  readonly forwarded: ForwardedStyle
}

// The sidecar itself responds to `Expect`.
const NOT_FORWARDED = fieldNames([...HOP_BY_HOP, 'expect'])

/**
 * The fields for the upstream: those of the application in their order, case and number, without
 * connection-specific ones, then those that the route sets. The token is added later, so that no field
 * of the client can remove it.
 */
export function requestFields(
  head: RequestHead,
  policy: RequestFieldPolicy,
  sender: Sender,
): string[] {
  const { fields, connectionOptions } = head
  const { injected } = policy
  const replacesLength = announcesTrailers(head)
  // A body of a known length has no trailer section in HTTP/1.1 (RFC 9112 section 7.1.2).
  const hasTrailers = head.hasBody && (replacesLength || Number.isNaN(head.contentLength))
  const forwardedFields: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    const value = fields[i + 1] ?? ''
    if (isField(name, 'host')) {
      forwardedFields.push(name, policy.host ?? value)
    } else if (injected !== undefined && isField(name, injected)) {
      if (policy.existing === 'reject') {
        throw new SidecarError(
          'request_invalid',
          `Cannot forward the request: the route does not accept the field "${injected}" from the application`,
          {
            advice:
              'Have the application omit the field, or set "existingAuthorization" of the route to "replace" or "keep".',
          },
        )
      }
      if (policy.existing === 'keep') forwardedFields.push(name, value)
    } else if (hasTrailers && isField(name, 'trailer')) {
      forwardedFields.push(name, value)
    } else if (replacesLength && isField(name, 'content-length')) {
      continue
    } else if (
      !NOT_FORWARDED.has(name) &&
      !policy.dropped.has(name) &&
      connectionOptions?.has(name.toLowerCase()) !== true
    ) {
      forwardedFields.push(name, value)
    }
  }
  if (head.maxForwards !== undefined) decrementMaxForwards(forwardedFields, head.method)
  for (const part of policy.added) forwardedFields.push(part)
  if (policy.forwarded !== 'off') addForwarded(forwardedFields, policy.forwarded, sender)
  if (policy.via !== undefined) forwardedFields.push('Via', viaMember(head.version, policy.via))
  return forwardedFields
}

/**
 * Whether trailer fields follow a body with a `Content-Length`, as only HTTP/2 allows. They are forwarded in the
 * chunked coding, which excludes the length (RFC 9112 section 6.2), if `Trailer` announces them. Others are
 * discarded (RFC 9110 section 6.5): the head has been sent when they arrive.
 */
function announcesTrailers({ version, contentLength, hasBody, fields }: RequestHead): boolean {
  return (
    version === '2.0' &&
    hasBody &&
    !Number.isNaN(contentLength) &&
    fieldValues(fields, 'trailer').length > 0
  )
}

/**
 * RFC 9110 section 6.5.1: fields that control how a request is processed. A server that merges the
 * trailer section into the header section must not take them from there.
 */
const NOT_IN_TRAILERS = fieldNames([
  'cache-control',
  'cookie',
  'dpop',
  'expect',
  'forwarded',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'max-forwards',
  'origin',
  'pragma',
  'range',
  'via',
])

/** The trailer fields for the upstream; those that the route adds, removes or injects are left out. */
export function requestTrailers(
  received: readonly string[],
  { connectionOptions }: Pick<RequestHead, 'connectionOptions'>,
  { injected, dropped }: RequestFieldPolicy,
): readonly string[] {
  const trailers: string[] = []
  const allowed = forwardableTrailers(received)
  for (let i = 0; i < allowed.length; i += 2) {
    const name = allowed[i] ?? ''
    const lowerCase = name.toLowerCase()
    const isRefused =
      lowerCase === injected ||
      lowerCase.startsWith('x-forwarded-') ||
      NOT_IN_TRAILERS.has(name) ||
      dropped.has(name) ||
      connectionOptions?.has(lowerCase) === true
    if (!isRefused) trailers.push(name, allowed[i + 1] ?? '')
  }
  return trailers
}

/** Whether the application sent the field itself and the route keeps or rejects it, so that no token is added. */
export function bypassesInjection(
  { fields }: RequestHead,
  { existing, injected }: RequestFieldPolicy,
): boolean {
  return (
    existing !== 'replace' && injected !== undefined && fieldValues(fields, injected).length > 0
  )
}

/** RFC 9110 section 7.6.2, for OPTIONS only: TRACE is refused. */
function decrementMaxForwards(headers: string[], method: string): void {
  if (method !== 'OPTIONS') return
  for (let i = 0; i < headers.length; i += 2) {
    const left = headers[i + 1] ?? ''
    if (headers[i]?.toLowerCase() === 'max-forwards' && /^\d{1,15}$/.test(left)) {
      headers[i + 1] = String(Math.max(0, Number(left) - 1))
    }
  }
}
