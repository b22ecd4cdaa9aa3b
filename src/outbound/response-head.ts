import type { SidecarError } from '../errors.ts'
import { isField } from '../http/field-lines.ts'

/** The status line and the fields of a response. Characters stand for bytes (latin1). */
export type ResponseHead = {
  readonly status: number
  readonly phrase: string
  /** The version of HTTP, such as "1.1". */
  readonly version: string
  /** Names and values, alternating, as received. */
  readonly fields: readonly string[]
  /** The length that is announced, whether or not a body follows; NaN where there is none. */
  readonly length: number
  /** Whether the body is chunked (RFC 9112 section 7.1). */
  readonly isChunked: boolean
  /** Whether the connection may be used again (RFC 9112 section 9.3). */
  readonly isPersistent: boolean
  /** The idle timeout that the server announces in `Keep-Alive`; NaN if it does not. */
  readonly keepAliveSeconds: number
}

/** The failure for a malformed response. */
export type Refuse = (why: string) => SidecarError

const LINE_END = '\r\n'

/** RFC 9110 section 5.6.2, as part of an expression. */
export const TOKEN = "[!#$%&'*+\\-.^_`|~\\dA-Za-z]+"
export const NO_STATUS_LINE = 'it does not begin with a status line of HTTP/1'
const STATUS_LINE = /^HTTP\/1\.(\d) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/
const FIELDS = new RegExp(`(?:${TOKEN}:[\\t\\x20-\\x7e\\x80-\\xff]*\r\n)*\r\n$`, 'y')

/** Reads a whole head, with the empty line at its end. */
export function parseHead(text: string, refuse: Refuse): ResponseHead {
  const line = STATUS_LINE.exec(text)
  if (line === null) throw refuse(NO_STATUS_LINE)
  const [{ length: begin }, minor, code, phrase = ''] = line
  const fields = parseFields(text, begin, refuse)
  const version = `1.${minor}`

  let length = Number.NaN
  let codings: string | undefined
  let options = ''
  let keepAliveSeconds = Number.NaN
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    const value = fields[i + 1] ?? ''
    if (isField(name, 'content-length')) {
      // RFC 9112 section 6.3: recipients would choose differently between two lengths.
      if (!/^\d{1,15}$/.test(value)) throw refuse('its Content-Length is not a length')
      if (!Number.isNaN(length)) throw refuse('it has more than one Content-Length')
      length = Number(value)
    } else if (isField(name, 'transfer-encoding')) codings = `${codings ?? ''}${value},`
    else if (isField(name, 'connection')) options += `${value.toLowerCase()},`
    else if (isField(name, 'keep-alive')) {
      keepAliveSeconds = Number(/timeout=(\d{1,9})/i.exec(value)?.[1])
    }
  }
  if (codings !== undefined) {
    const why = codingFault(codings, length, version)
    if (why !== undefined) throw refuse(why)
  }
  const isPersistent = !has(options, 'close') && (version !== '1.0' || has(options, 'keep-alive'))
  return {
    status: Number(code),
    phrase,
    version,
    fields,
    length,
    isChunked: codings !== undefined,
    isPersistent,
    keepAliveSeconds,
  }
}

/**
 * The only transfer coding that is removed here, once and with empty list elements around it (RFC 9110
 * section 5.6.1). Any other coding would lose its label here, and the client could not decode the body.
 */
const ONLY_CHUNKED = /^[ \t,]*chunked[ \t]*(?:,[ \t]*)*$/i

function codingFault(codings: string, length: number, version: string): string | undefined {
  // RFC 9112 section 6.1: both together indicate response smuggling, and HTTP/1.0 has no transfer codings.
  if (!Number.isNaN(length)) return 'it has both Content-Length and Transfer-Encoding'
  if (version === '1.0') return 'it has a Transfer-Encoding in HTTP/1.0'
  return ONLY_CHUNKED.test(codings) ? undefined : 'its transfer coding is not supported'
}

/** Reads the lines of a section that begins at `from` and ends with an empty line. */
export function parseFields(text: string, from: number, refuse: Refuse): string[] {
  FIELDS.lastIndex = from
  if (!FIELDS.test(text)) throw refuse('a line of its header section is no field')
  const fields: string[] = []
  let at = from
  while (at < text.length - LINE_END.length) {
    const colon = text.indexOf(':', at)
    const end = text.indexOf('\r\n', colon)
    fields.push(text.slice(at, colon), trimmed(text, colon + 1, end))
    at = end + LINE_END.length
  }
  return fields
}

/** The text between the two, without the blanks around it (RFC 9110 section 5.6.3). */
function trimmed(text: string, begin: number, end: number): string {
  let from = begin
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from += 1
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Whether `options`, which ends with a comma, has this member. */
function has(options: string, option: string): boolean {
  return options !== '' && options.split(',').some((member) => member.trim() === option)
}

/** Whether the head that begins like this may be one of HTTP/1. */
export function couldBeHead(bytes: Buffer): boolean {
  const begin = 'HTTP/1.'
  return begin.startsWith(bytes.toString('latin1', 0, begin.length))
}
