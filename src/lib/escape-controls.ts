/*
 * Characters with which untrusted text could move the cursor of a terminal, hide or reorder text, or forge a
 * line: control characters (C0, DEL, C1), format characters (bidirectional overrides and isolates,
 * zero-width and invisible characters), line and paragraph separators, lone surrogates, and blank letters.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|\p{Default_Ignorable_Code_Point}|\u2800/gu

/** The text on one line, with JSON's escapes. */
export function escapeControls(text: string): string {
  return text.replaceAll(UNSAFE, escaped)
}

/** The same, but keeps line breaks and tabs. */
export function escapeControlsInLines(text: string): string {
  return text.replaceAll(UNSAFE, (character) =>
    character === '\n' || character === '\t' ? character : escaped(character),
  )
}

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('')
}
