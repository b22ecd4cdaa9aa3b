import { isUtf8 } from 'node:buffer'

/** An encoding with two or four bytes for each character; undefined for any other. */
function wideEncoding(bytes: Buffer): string | undefined {
  const [first, second, third, fourth] = bytes
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  if (isMarked && third === 0 && fourth === 0) return 'UTF-32'
  if (first === 0 && second === 0) return third === undefined ? undefined : 'UTF-32'
  // Without a byte order mark: an ASCII character is encoded with one zero byte.
  const isBare = (first === 0) !== (second === 0) && second !== undefined
  return isMarked || isBare ? 'UTF-16' : undefined
}

/** Fails for UTF-16 and UTF-32, which Windows tools write; other bytes that are not UTF-8 are replaced. */
export function decodeText(bytes: Buffer): string {
  const encoding = wideEncoding(bytes)
  if (encoding !== undefined) {
    throw Object.assign(new Error(`the file is ${encoding}`), { code: encoding })
  }
  return bytes.toString('utf8')
}

/** The number of the first line that is not UTF-8; undefined if there is none. */
export function lineOutsideUtf8(bytes: Buffer): number | undefined {
  if (isUtf8(bytes)) return undefined
  let line = 1
  for (let start = 0; start < bytes.length; line += 1) {
    const end = bytes.indexOf(0x0a, start)
    const stop = end === -1 ? bytes.length : end
    if (!isUtf8(bytes.subarray(start, stop))) return line
    start = stop + 1
  }
  return undefined
}
