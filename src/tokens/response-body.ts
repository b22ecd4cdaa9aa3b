// A namespace import, because Node versions that are too old lack some names and still have to report that.
import * as zlib from 'node:zlib'
import { SidecarError } from '../errors.ts'

export type EncodedBody = {
  /** The host of the server, for error messages. */
  readonly host: string
  readonly bytes: Buffer
  readonly contentEncoding: string
  readonly contentType: string
}

/** More than any server or chain of proxies applies. */
const MAX_CODINGS = 3

/**
 * The text of a response body. Requests have no `Accept-Encoding`, but some servers, and some proxies in front
 * of them, compress every response (RFC 9110 section 12.5.3 allows that). `maxBytes` also limits the
 * decompressed size. Fails with `token_invalid`.
 */
export function decodeBody(
  { host, bytes, contentEncoding, contentType }: EncodedBody,
  maxBytes: number,
): string {
  const listed = codingsOf(contentEncoding)
  const codings = listed.length === 0 && isGzip(bytes) ? ['gzip'] : listed
  const unreadable = (why: string, cause?: unknown): SidecarError =>
    new SidecarError('token_invalid', `Cannot read the response of "${host}": ${why}`, { cause })

  const decompress = (body: Buffer, coding: string): Buffer => {
    // A proxy may have decompressed it and kept the header field.
    if (isText(body)) return body
    const run = DECOMPRESS.get(coding)
    if (run === undefined || codings.length > MAX_CODINGS)
      throw unreadable('its content coding is not supported')
    try {
      return run(body, { maxOutputLength: maxBytes })
    } catch (cause) {
      const isTooLarge =
        cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE'
      throw unreadable(
        isTooLarge ? 'the body is too large' : `the body is not valid "${coding}"`,
        cause,
      )
    }
  }
  const decoded = codings.reduce(decompress, bytes)
  return decoderFor(decoded, contentType).decode(decoded)
}

/** RFC 9110 section 8.4: listed in the order in which they were applied, returned last one first. */
function codingsOf(contentEncoding: string): string[] {
  return contentEncoding
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
    .toReversed()
}

/** RFC 1952 section 2.3.1; no text begins in this way. */
function isGzip([first, second]: Buffer): boolean {
  return first === 0x1f && second === 0x8b
}

/** Whether it begins with a byte order mark or ASCII text, as no compressed body of JSON or a form does. */
function isText(body: Buffer): boolean {
  const start = body.subarray(0, 32).toString('latin1')
  return /^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/.test(start) || /^[\t\n\r\x20-\x7e]*$/.test(start)
}

type Decompress = (body: Buffer, options: { maxOutputLength: number }) => Buffer

const DECOMPRESS: ReadonlyMap<string, Decompress> = new Map<string, Decompress>([
  ['gzip', zlib.gunzipSync],
  ['x-gzip', zlib.gunzipSync],
  ['deflate', inflateEither],
  ['br', zlib.brotliDecompressSync],
  ['zstd', zlib.zstdDecompressSync],
])

/** RFC 9110 section 8.4.1.2: some servers send "deflate" without the zlib wrapper. */
function inflateEither(body: Buffer, options: { maxOutputLength: number }): Buffer {
  const [first = 0, second = 0] = body
  // RFC 1950 section 2.2: the compression method, and the check bits of the header.
  const hasWrapper = (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0
  return hasWrapper ? zlib.inflateSync(body, options) : zlib.inflateRawSync(body, options)
}

/**
 * A byte order mark or the zeros of UTF-16 (RFC 4627 section 3) name the encoding, else the charset does;
 * JSON is UTF-8 (RFC 8259 section 8.1).
 */
function decoderFor([first, second]: Buffer, contentType: string): TextDecoder {
  if ((first === 0xff && second === 0xfe) || second === 0) return new TextDecoder('utf-16le')
  if ((first === 0xfe && second === 0xff) || first === 0) return new TextDecoder('utf-16be')
  if (first === 0xef && second === 0xbb) return new TextDecoder()
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType) ?? []
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder() // An unknown charset, such as "utf8mb4" or "binary".
  }
}
