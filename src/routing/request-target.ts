import { SidecarError } from '../errors.ts'

/** Where a request wants to go, in the two forms that matter. */
export type RequestTarget = {
  /** Host and port as the client names them, in lower case; without a dot at the end. */
  readonly host: string
  /** The path as received: this is what is forwarded. */
  readonly path: string
  /** `?` and what follows, as received; or nothing. */
  readonly query: string
  /**
   * The path to match routes with, in the ways that servers read it. More than one only if they
   * differ: then a route has to match in each of them.
   */
  readonly readings: readonly [string, ...string[]]
  /** Whether it came in absolute form, as for a forward proxy (RFC 9112 section 3.2.2). */
  readonly absolute: boolean
  readonly scheme: 'http' | 'https'
}

/**
 * Reads the request target once and strictly (RFC 9112 section 3.2). What two parsers could read
 * differently is refused with `request_invalid`, because one of them decides where the token goes.
 * `ownScheme` is that of the connection, which a path does not name.
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
  // It may be asked for as it is: "256.1.1.1" and "a:99999" are nowhere.
  if (!URL.canParse(`${scheme}://${host}`)) throw invalid('its host is not a host')
  // RFC 9112 section 3.2.2 lets the target win; a client that contradicts itself is not to be trusted.
  if (hostField !== undefined && parseAuthority(hostField, scheme) !== host) {
    throw invalid('its target and its Host header differ')
  }
  return readPath(host, scheme, rest.startsWith('/') ? rest : `/${rest}`, true)
}

// RFC 3986 section 3.2.2 would allow more, but no name that can be looked up has any of it.
const AUTHORITY = /^(?:\[[\da-f:.]+\]|[\w\-.]{1,255})(?::\d{1,5})?$/i

/** In lower case, without a dot at the end, and without the port that goes without saying. */
function parseAuthority(authority: string, scheme: RequestTarget['scheme']): string {
  if (!AUTHORITY.test(authority)) throw invalid('its host is not a host')
  return authority
    .toLowerCase()
    .replace(/\.(?=:|$)/, '')
    .replace(scheme === 'http' ? /:80$/ : /:443$/, '')
}

// Whatever is not in here means the same to everybody: no escape, no empty or dotted segment.
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
  const readings: RequestTarget['readings'] = PLAIN_PATH.test(path) ? [path] : readingsOf(path)
  return { host, absolute, scheme, path, query, readings }
}

function readingsOf(path: string): [string, ...string[]] {
  if (path.includes('#')) throw invalid('its target has a fragment')
  if (path.includes('\\')) throw invalid('its path has a backslash')
  if (/%(?![\da-f]{2})/i.test(path)) throw invalid('its path has a "%" that escapes nothing')
  // A slash stays escaped here: whether it separates segments is what the readings differ in.
  const literal = path.replaceAll(/%(?!2f)([\da-f]{2})/gi, (_escape, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  )
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\0-\x1f\x7f]/.test(literal)) throw invalid('its path has an escaped control character')
  const readings = new Set([literal])
  for (const reading of new Set([literal, decodeOverlong(literal)])) {
    if (LONE_BACKSLASH.test(reading)) throw invalid('its path has an escaped backslash')
    readings.add(reading)
    readings.add(mergeSlashes(reading))
    const loosest = mergeSlashes(reading.replaceAll('\\', '/'))
    readings.add(loosest)
    for (const segment of loosest.split('/')) {
      // Servers that know path parameters read "..;x" as "..".
      const [name = ''] = segment.split(';')
      if (name === '.' || name === '..') throw invalid('its path has a "." or ".." segment')
    }
  }
  const [, ...others] = readings
  return [literal, ...others]
}

function mergeSlashes(path: string): string {
  return path.replaceAll(/%2f/gi, '/').replaceAll(/\/{2,}/g, '/')
}

/**
 * The octets of a path may be in any encoding. In Shift_JIS, Big5 and GBK the second octet of a
 * character can be that of the backslash; a backslash behind an ASCII octet is no part of a character.
 */
// oxlint-disable-next-line no-control-regex -- octets, not characters
const LONE_BACKSLASH = /(?:^|[\0-\x7f])\\/

/** Sequences of UTF-8, and of the longer ones of RFC 2279, that a shorter one would do for. */
const OVERLONG =
  /[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}|\xf8[\x80-\x87][\x80-\xbf]{3}|\xfc[\x80-\x83][\x80-\xbf]{4}/g

/**
 * How a careless decoder of UTF-8 reads a path (RFC 3629 section 10). Refused where it would find a
 * separator, a dot or a control character; anything else may be text of another encoding.
 */
function decodeOverlong(path: string): string {
  return path.replaceAll(OVERLONG, (sequence) => {
    const [lead = 0, ...rest] = Buffer.from(sequence, 'latin1')
    const code = rest.reduce(
      (bits, octet) => bits * 64 + (octet & 0x3f),
      lead & (0x7f >> sequence.length),
    )
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    if (/[\0-\x1f\x7f\\/.]/.test(String.fromCodePoint(code))) {
      throw invalid('its path has an overlong UTF-8 sequence')
    }
    return code < 0x80 ? String.fromCodePoint(code) : sequence
  })
}

function invalid(why: string): SidecarError {
  return new SidecarError('request_invalid', `Cannot route the request: ${why}`)
}
