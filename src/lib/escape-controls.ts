/*
 * What comes from outside must not be able to move the cursor of a terminal, to hide or reorder text, or to
 * forge a line: control characters (C0, DEL, C1), format characters (bidirectional overrides and isolates,
 * zero-width and invisible characters), line and paragraph separators, lone surrogates, and letters that
 * are blank.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|\p{Default_Ignorable_Code_Point}|\u2800/gu

/** The text on one line, with escapes that JSON has as well. */
export function escapeControls(text: string): string {
  return text.replaceAll(UNSAFE, escaped)
}

/** The same for a text of several lines, which may have tabs. */
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
