/*
 * HPACK (RFC 7541) for tests: the encoder writes fields as unmodified literals, the decoder reads every
 * representation.
 */

/** Names and values alternate; each octet is a character (Latin-1). Nothing is verified. */
export function encodeFields(fields: readonly string[]): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < fields.length; i += 2) {
    // Section 6.2.2: a literal field without indexing, with a new name.
    parts.push(Buffer.from([0]), encodeText(fields[i] ?? ''), encodeText(fields[i + 1] ?? ''))
  }
  return Buffer.concat(parts)
}

/** Section 6.2.1: a literal field that is added to the dynamic table of the decoder. */
export function encodeIndexedLiteral(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), encodeText(name), encodeText(value)])
}

function encodeText(text: string): Buffer {
  const octets = Buffer.from(text, 'latin1')
  return Buffer.concat([encodeInteger(octets.length, 7), octets])
}

/** Section 5.1. */
function encodeInteger(value: number, prefixBits: number): Buffer {
  const max = 2 ** prefixBits - 1
  if (value < max) return Buffer.from([value])
  const octets = [max]
  let rest = value - max
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128)
  octets.push(rest)
  return Buffer.from(octets)
}

/** Decodes the header sections of a connection in order; names and values alternate. */
export function createFieldDecoder(): (block: Buffer) => string[] {
  const dynamic: Field[] = []
  let maxSize = 4096
  const add = (field: Field): void => {
    dynamic.unshift(field)
    let size = 0
    const kept = dynamic.findIndex(([name, value]) => {
      size += name.length + value.length + 32
      return size > maxSize
    })
    if (kept !== -1) dynamic.splice(kept)
  }
  const entryAt = (index: number): Field => {
    const entry = STATIC_TABLE[index - 1] ?? dynamic[index - 1 - STATIC_TABLE.length]
    if (entry === undefined) throw new Error(`no entry ${index} in the tables`)
    return entry
  }
  return (block) => {
    const fields: string[] = []
    let at = 0
    const readInteger = (prefixBits: number): number => {
      const max = 2 ** prefixBits - 1
      let value = (block[at] ?? 0) & max
      at += 1
      if (value < max) return value
      for (let scale = 1; ; scale *= 128) {
        const octet = block[at] ?? 0
        at += 1
        value += (octet & 127) * scale
        if (octet < 128) return value
      }
    }
    const readText = (): string => {
      const isHuffman = ((block[at] ?? 0) & 0x80) !== 0
      const length = readInteger(7)
      const octets = block.subarray(at, at + length)
      at += length
      return isHuffman ? decodeHuffman(octets) : octets.toString('latin1')
    }
    const readLiteral = (prefixBits: number): Field => {
      const index = readInteger(prefixBits)
      return [index === 0 ? readText() : entryAt(index)[0], readText()]
    }
    while (at < block.length) {
      const first = block[at] ?? 0
      if (first >= 0x80) fields.push(...entryAt(readInteger(7)))
      else if (first >= 0x40) {
        const field = readLiteral(6)
        add(field)
        fields.push(...field)
      } else if (first >= 0x20) maxSize = readInteger(5)
      else fields.push(...readLiteral(4))
    }
    return fields
  }
}

type Field = readonly [name: string, value: string]

/** Appendix A. */
const STATIC_TABLE: readonly Field[] = `
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
`
  .trim()
  .split('\n')
  .map((line) => {
    const [name = '', ...words] = line.split(' ')
    return [name, words.join(' ')]
  })

/** Appendix B: the code length of each octet and of EOS, in base 36; the codes are canonical. */
const CODE_LENGTHS = [
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca',
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds',
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn',
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq',
  'u',
].join('')

/** The octet of a code, which is a string of binary digits. */
const OCTET_OF: ReadonlyMap<string, number> = (() => {
  const symbols = CODE_LENGTHS.split('').map((digit, symbol) => ({
    symbol,
    length: parseInt(digit, 36),
  }))
  symbols.sort((one, other) => one.length - other.length || one.symbol - other.symbol)
  const codes = new Map<string, number>()
  let code = 0
  let lastLength = 0
  for (const { symbol, length } of symbols) {
    code *= 2 ** (length - lastLength)
    lastLength = length
    codes.set(code.toString(2).padStart(length, '0'), symbol)
    code += 1
  }
  return codes
})()

function decodeHuffman(octets: Buffer): string {
  let text = ''
  let code = ''
  for (const octet of octets) {
    for (const bit of octet.toString(2).padStart(8, '0')) {
      code += bit
      const symbol = OCTET_OF.get(code)
      if (symbol === undefined) continue
      text += String.fromCodePoint(symbol)
      code = ''
    }
  }
  // Section 5.2: the rest is padding, a prefix of the code of EOS.
  return text
}
