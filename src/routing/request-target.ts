import { SidecarError } from '../errors.ts'

/** A parsed request target, in origin-form or absolute-form. */
export type RequestTarget = {
  /** Host and port as the client names them, in lower case, without a trailing dot. */
  readonly host: string
  /** The path as received, which is forwarded unchanged. */
  readonly path: string
  /** The query with its `?`, as received; empty if there is none. */
  readonly query: string
  /**
   * The decoded path as different servers interpret it. If there is more than one interpretation, all of them
   * must match the same route.
   */
  readonly interpretations: readonly [string, ...string[]]
  /** Whether it has absolute-form, as for a forward proxy (RFC 9112 section 3.2.2). */
  readonly absolute: boolean
  readonly scheme: 'http' | 'https'
}

/**
 * Parses the request target strictly (RFC 9112 section 3.2). A target that two parsers may interpret differently fails
 * with `request_invalid`, because it decides where the token is sent. `ownScheme` is that of the connection, for a path.
 */
export function parseRequestTarget(
  target: string,
  hosts: readonly string[],
  version: string,
  ownScheme: RequestTarget['scheme'] = 'http',
): RequestTarget {
  const [hostField] = hosts
  if (hosts.length > 1) throw invalid(`expected one Host header, got ${hosts.length}`)
  if (hosts.length === 0 && version !== '1.0') throw invalid('it has no Host header')
  if (target.startsWith('/')) {
    const host = hostField === undefined ? '' : parseAuthority(hostField, ownScheme)
    return readPath(host, ownScheme, target, false)
  }
  if (target === '*') throw invalid('"*" is not supported as a target')

  const absolute = /^(https?):\/\/([^/?#]+)([^]*)$/i.exec(target)
  if (absolute === null) throw invalid('expected a path or an http(s) URL as its target')
  const [, given = '', authority = '', rest = ''] = absolute
  const scheme = given.toLowerCase() === 'https' ? 'https' : 'http'
  const host = parseAuthority(authority, scheme)
  // With "forward: pass" this host is connected to: "256.1.1.1" and "a:99999" are not valid.
  if (!URL.canParse(`${scheme}://${host}`)) throw invalid('its host is not valid')
  // RFC 9112 section 3.2.2 gives precedence to the target, but a contradiction may be an attack.
  if (hostField !== undefined && parseAuthority(hostField, scheme) !== host) {
    throw invalid('its target and its Host header name different hosts')
  }
  return readPath(host, scheme, rest.startsWith('/') ? rest : `/${rest}`, true)
}

// RFC 3986 section 3.2.2 allows more characters, but host names in DNS do not have them.
const AUTHORITY = /^(?:\[[\da-f:.]+\]|[\w\-.]{1,255})(?::\d{1,5})?$/i

/** In lower case, without a trailing dot, and without the default port. */
function parseAuthority(authority: string, scheme: RequestTarget['scheme']): string {
  if (!AUTHORITY.test(authority)) throw invalid('its host is not valid')
  return authority
    .toLowerCase()
    .replace(/\.(?=:|$)/, '')
    .replace(scheme === 'http' ? /:80$/ : /:443$/, '')
}

// A path with only one interpretation: no percent-encoding, no empty segments, no dot segments.
const PLAIN_PATH = /^(?:\/(?!\.)[\w\-.~!$&'()*+,=:@]+)*\/?$/

function readPath(
  host: string,
  scheme: RequestTarget['scheme'],
  target: string,
  absolute: boolean,
): RequestTarget {
  const queryAt = target.indexOf('?')
  const path = queryAt === -1 ? target : target.slice(0, queryAt)
  const query = queryAt === -1 ? '' : target.slice(queryAt)
  if (query.includes('#')) throw invalid('its target has a fragment')
  const interpretations: RequestTarget['interpretations'] = PLAIN_PATH.test(path)
    ? [path]
    : interpretationsOf(path)
  return { host, absolute, scheme, path, query, interpretations }
}

function interpretationsOf(path: string): [string, ...string[]] {
  if (path.includes('#')) throw invalid('its target has a fragment')
  if (path.includes('\\')) throw invalid('its path has a backslash')
  if (/%(?![\da-f]{2})/i.test(path))
    throw invalid('its path has a "%" without two hexadecimal digits')
  // An encoded slash stays encoded: servers differ in whether it separates segments.
  const literal = path.replaceAll(/%(?!2f)([\da-f]{2})/gi, (_escape, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  )
  // oxlint-disable-next-line no-control-regex -- control characters are the subject
  if (/[\0-\x1f\x7f]/.test(literal)) throw invalid('its path has an escaped control character')
  const interpretations = new Set([literal])
  for (const reading of new Set([literal, decodeOverlong(literal)])) {
    if (LONE_BACKSLASH.test(reading)) throw invalid('its path has an escaped backslash')
    interpretations.add(reading)
    interpretations.add(mergeSlashes(reading))
    const lenient = mergeSlashes(reading.replaceAll('\\', '/'))
    interpretations.add(lenient)
    for (const segment of lenient.split('/')) {
      // Servers that support path parameters read "..;x" as "..".
      const [name = ''] = segment.split(';')
      if (name === '.' || name === '..') throw invalid('its path has a "." or ".." segment')
    }
  }
  const [, ...others] = interpretations
  return [literal, ...others]
}

function mergeSlashes(path: string): string {
  return path.replaceAll(/%2f/gi, '/').replaceAll(/\/{2,}/g, '/')
}

/**
 * A path may have any character encoding. In Shift_JIS, Big5 and GBK, the second octet of a character can be 0x5C;
 * after an ASCII octet, 0x5C is always a backslash.
 */
// oxlint-disable-next-line no-control-regex -- octets, not characters
const LONE_BACKSLASH = /(?:^|[\0-\x7f])\\/

/** Overlong UTF-8 sequences, including the five- and six-octet ones of RFC 2279. */
const OVERLONG =
  /[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}|\xf8[\x80-\x87][\x80-\xbf]{3}|\xfc[\x80-\x83][\x80-\xbf]{4}/g

/**
 * Decodes a path like a UTF-8 decoder that accepts overlong sequences (RFC 3629 section 10). Fails if the result is a
 * separator, a dot or a control character; other sequences may be text in another encoding.
 */
function decodeOverlong(path: string): string {
  return path.replaceAll(OVERLONG, (sequence) => {
    const [lead = 0, ...rest] = Buffer.from(sequence, 'latin1')
    const code = rest.reduce(
      (bits, octet) => bits * 64 + (octet & 0x3f),
      lead & (0x7f >> sequence.length),
    )
    // oxlint-disable-next-line no-control-regex -- control characters are the subject
    if (/[\0-\x1f\x7f\\/.]/.test(String.fromCodePoint(code))) {
      throw invalid('its path has an overlong UTF-8 sequence')
    }
    return code < 0x80 ? String.fromCodePoint(code) : sequence
  })
}

function invalid(why: string): SidecarError {
  return new SidecarError('request_invalid', `Cannot route the request: ${why}`)
}
