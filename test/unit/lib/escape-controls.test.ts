import { expect, test } from 'vitest'
import { escapeControls, escapeControlsInLines } from '../../../src/lib/escape-controls.ts'

test.for([
  ['NUL', '\0', '\\u0000'],
  ['escape', '\u001B', '\\u001b'],
  ['carriage return', '\r', '\\u000d'],
  ['line feed', '\n', '\\u000a'],
  ['DEL', '\u007F', '\\u007f'],
  ['C1 control sequence introducer', '\u009B', '\\u009b'],
  ['soft hyphen', '\u00AD', '\\u00ad'],
  ['Arabic letter mark', '\u061C', '\\u061c'],
  ['zero width space', '\u200B', '\\u200b'],
  ['zero width joiner', '\u200D', '\\u200d'],
  ['right-to-left mark', '\u200F', '\\u200f'],
  ['line separator', '\u2028', '\\u2028'],
  ['paragraph separator', '\u2029', '\\u2029'],
  ['right-to-left override', '\u202E', '\\u202e'],
  ['word joiner', '\u2060', '\\u2060'],
  ['first strong isolate', '\u2068', '\\u2068'],
  ['blank Hangul letter', '\u3164', '\\u3164'],
  ['byte order mark', '\uFEFF', '\\ufeff'],
  ['tag letter', '\u{E0041}', '\\udb40\\udc41'],
  ['lone surrogate', '\uD800', '\\ud800'],
] as const)('%s is escaped, and JSON keeps its value', ([, character, escape]) => {
  expect(escapeControls(`a${character}b`)).toBe(`a${escape}b`)
  const json = JSON.stringify(`a${character}b`)
  expect(JSON.parse(escapeControlsInLines(json))).toBe(`a${character}b`)
})

test.for(['plain text', 'Größe, 大きさ, حجم, 😀', '"quotes" and \\backslashes'])(
  'the text %s is not changed',
  (text) => {
    expect(escapeControls(text)).toBe(text)
  },
)

test('escapeControlsInLines keeps line feeds and tabs', () => {
  expect(escapeControlsInLines('a\n\tb\r\n')).toBe('a\n\tb\\u000d\n')
})
