import type { IncomingMessage } from 'node:http'
import { SidecarError } from '../errors.ts'

/** What a route does to request headers, made ready once. All names are in lower case. */
export type RequestHeaderPolicy = {
  /** The value of `Host` for the upstream. */
  readonly host: string
  /** The header that carries the token; undefined for a route that adds none. */
  readonly injected: string | undefined
  /** The same as it is written. */
  readonly injectedName: string
  readonly existing: 'replace' | 'keep' | 'reject'
  /** Names that are left out, because the route removes or sets them. */
  readonly dropped: ReadonlySet<string>
  /** Names and values, alternating, that are added. */
  readonly added: readonly string[]
}

// RFC 9110 section 7.6.1 and what else is about this connection alone. Proxy-Authorization is for
// us (section 11.7.1); Expect was answered by us; undici writes the framing itself.
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const REQUEST_HOP_BY_HOP = new Set([...HOP_BY_HOP, 'expect', 'http2-settings'])

/** Fields that naming them in `Connection` must not remove: they say what the message is. */
const NOT_FOR_CONNECTION = new Set(['content-length', 'content-type', 'host'])

/**
 * The headers for the upstream: those of the application in their own order, case and number, less
 * what ends here, then what the route sets, then the token. Stripping comes first, so that nothing a
 * client says can remove what is added. `raw` alternates names and values.
 */
export function requestHeaders(
  raw: readonly string[],
  policy: RequestHeaderPolicy,
  tokenValue: string | undefined,
): string[] {
  const listed = connectionOptions(raw)
  const headers: string[] = []
  let keptExisting = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const key = name.toLowerCase()
    if (key === 'host') {
      headers.push(name, policy.host)
    } else if (key === policy.injected) {
      if (policy.existing === 'reject') {
        throw new SidecarError(
          'request_invalid',
          `Cannot forward the request: the route does not accept the header "${key}" from the application`,
        )
      }
      if (policy.existing === 'keep') {
        keptExisting = true
        headers.push(name, value)
      }
    } else if (
      !REQUEST_HOP_BY_HOP.has(key) &&
      !policy.dropped.has(key) &&
      listed?.has(key) !== true
    ) {
      headers.push(name, value)
    }
  }
  for (const part of policy.added) headers.push(part)
  if (tokenValue !== undefined && !keptExisting) headers.push(policy.injectedName, tokenValue)
  return headers
}

/** Whether the application brings a header of its own that the route keeps or rejects: no token is needed then. */
export function decidesByItself(
  raw: readonly string[],
  { existing, injected }: RequestHeaderPolicy,
): boolean {
  return existing !== 'replace' && injected !== undefined && headerValues(raw, injected).length > 0
}

/** The headers for the application, less those in `hidden`. `raw` alternates names and values. */
export function responseHeaders(raw: readonly string[], hidden: ReadonlySet<string>): string[] {
  const listed = connectionOptions(raw)
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const key = name.toLowerCase()
    if (!HOP_BY_HOP.has(key) && !hidden.has(key) && listed?.has(key) !== true) {
      headers.push(name, raw[i + 1] ?? '')
    }
  }
  return headers
}

// RFC 9110 section 6.5.1: fields that decide how a message is read have no business behind it.
const NO_TRAILERS = new Set([
  ...HOP_BY_HOP,
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'set-cookie',
])

export function responseTrailers(raw: readonly string[]): [string, string][] {
  const trailers: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (!NO_TRAILERS.has(name.toLowerCase())) trailers.push([name, raw[i + 1] ?? ''])
  }
  return trailers
}

/** RFC 9112 section 6: these two fields are what announces a request body. */
export function announcesBody(raw: readonly string[]): boolean {
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (name.length === 14 && name.toLowerCase() === 'content-length') return raw[i + 1] !== '0'
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return true
  }
  return false
}

/** RFC 9110 section 10.1.1: only an HTTP/1.1 client may wait for a 100 before it sends the body. */
export function expectsContinue({ rawHeaders, httpVersionMinor }: IncomingMessage): boolean {
  return (
    httpVersionMinor >= 1 &&
    headerValues(rawHeaders, 'expect').some((value) => value.toLowerCase() === '100-continue')
  )
}

/** All values of one field; `wanted` in lower case. */
export function headerValues(raw: readonly string[], wanted: string): string[] {
  const values: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (name.length === wanted.length && name.toLowerCase() === wanted)
      values.push(raw[i + 1] ?? '')
  }
  return values
}

/** The fields that `Connection` names, beyond the two words that are no fields. */
function connectionOptions(raw: readonly string[]): Set<string> | undefined {
  let listed: Set<string> | undefined
  for (const value of headerValues(raw, 'connection')) {
    for (const option of value.toLowerCase().split(',')) {
      const name = option.trim()
      if (name === '' || name === 'keep-alive' || name === 'close' || NOT_FOR_CONNECTION.has(name))
        continue
      listed ??= new Set()
      listed.add(name)
    }
  }
  return listed
}
