import { expect, test } from 'vitest'
import { decodeText, lineOutsideUtf8 } from '../../../src/config/decode-text.ts'

const swapped = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()

/** UTF-32LE, for text of the Basic Multilingual Plane. */
function utf32(text: string): Buffer {
  const bytes = Buffer.alloc(text.length * 4)
  for (let at = 0; at < text.length; at += 1) bytes.writeUInt16LE(text.charCodeAt(at), at * 4)
  return bytes
}

test.for([
  ['UTF-16LE with a byte order mark', Buffer.from('\uFEFFlisten: x', 'utf16le'), 'UTF-16'],
  ['UTF-16BE with a byte order mark', swapped('\uFEFFlisten: x'), 'UTF-16'],
  ['UTF-16LE without a byte order mark', Buffer.from('listen: x', 'utf16le'), 'UTF-16'],
  ['UTF-16BE without a byte order mark', swapped('listen: x'), 'UTF-16'],
  ['UTF-32LE with a byte order mark', utf32('\uFEFFlisten'), 'UTF-32'],
  ['UTF-32BE without a byte order mark', utf32('listen').swap32(), 'UTF-32'],
] as const)('%s is rejected by name', ([, bytes, encoding]) => {
  expect(() => decodeText(bytes)).toThrow(
    expect.objectContaining({ code: encoding, message: `the file is ${encoding}` }),
  )
})

test.for([
  ['an empty file', Buffer.alloc(0), ''],
  ['a single NUL', Buffer.from([0]), '\0'],
  ['ASCII', Buffer.from('listen: x'), 'listen: x'],
  ['UTF-8', Buffer.from('# größer'), '# größer'],
  ['bytes that are not UTF-8', Buffer.from('# gr\xf6\xdfer', 'latin1'), '# gr\uFFFD\uFFFDer'],
] as const)('%s is decoded as UTF-8', ([, bytes, text]) => {
  expect(decodeText(bytes)).toBe(text)
})

test.for([
  ['valid UTF-8', Buffer.from('a\nß\n'), undefined],
  ['Latin-1 in the first line', Buffer.from('\xdf\nb\n', 'latin1'), 1],
  ['Latin-1 in the third line', Buffer.from('a\n\n\xdf\nb\n', 'latin1'), 3],
  ['Latin-1 in a last line without a line feed', Buffer.from('a\n\xdf', 'latin1'), 2],
] as const)('the first line that is not UTF-8 is found: %s', ([, bytes, line]) => {
  expect(lineOutsideUtf8(bytes)).toBe(line)
})
