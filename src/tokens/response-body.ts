// As a whole, because a Node that is too old, and is told so, has not all of its functions.
import * as zlib from 'node:zlib'
import { SidecarError } from '../errors.ts'

export type EncodedBody = {
  /** The server, for what is said about the body. */
  readonly host: string
  readonly bytes: Buffer
  readonly contentEncoding: string
  readonly contentType: string
}

/** More than any server or chain of proxies has a reason for. */
const MAX_CODINGS = 3

/**
 * The text of a response body. No compression is asked for, but some servers, and some proxies in front
 * of them, compress every response (RFC 9110 section 12.5.3 allows that). `maxBytes` bounds the text
 * after decompression, too. Fails with `token_invalid`.
 */
export function decodeBody(
  { host, bytes, contentEncoding, contentType }: EncodedBody,
  maxBytes: number,
): string {
  // RFC 9110 section 8.4: listed in the order in which they were applied.
  const codings = contentEncoding
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
    .toReversed()
  const unreadable = (why: string, cause?: unknown): SidecarError =>
    new SidecarError('token_invalid', `Cannot read the response of "${host}": ${why}`, { cause })

  const decompress = (body: Buffer, coding: string): Buffer => {
    // An empty body has nothing to decompress, and a proxy may have decompressed without saying so.
    if (body.length === 0 || /^\s*\{/.test(body.subarray(0, 16).toString('latin1'))) return body
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

/** A byte order mark names the encoding, else the charset does; JSON is UTF-8 (RFC 8259 section 8.1). */
function decoderFor([first, second]: Buffer, contentType: string): TextDecoder {
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le')
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be')
  if (first === 0xef && second === 0xbb) return new TextDecoder()
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType) ?? []
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder() // A charset that does not exist, such as "utf8mb4" or "binary".
  }
}
