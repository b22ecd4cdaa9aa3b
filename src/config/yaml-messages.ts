import type { ErrorCode, YAMLError } from 'yaml'

/*
 * What is wrong with a text that is no YAML, in words of our own: the parser's are made for its
 * authors, and some quote the text, and with it perhaps a secret.
 */
const MESSAGES: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'expected the name of an anchor that stands above',
  BAD_DQ_ESCAPE: 'expected an escape that YAML knows; within single quotes a backslash is just one',
  BAD_INDENT: 'expected as many spaces as the lines that belong together with this one',
  BAD_SCALAR_START: 'expected a text; one that starts with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'expected one key and one value on a line; a text with ": " in it needs quotes',
  BLOCK_IN_FLOW: 'expected a comma between the entries within braces or brackets',
  KEY_OVER_1024_CHARS: 'expected a shorter key',
  MISSING_CHAR:
    'expected something that is missing here: a quote, a brace, a bracket, a comma or a colon',
  MULTILINE_IMPLICIT_KEY: 'expected a colon and a space after the key, on the same line',
  MULTIPLE_DOCS: 'expected one document, and here begins a second',
  NON_STRING_KEY: 'expected a plain name as the key',
  RESOURCE_EXHAUSTION: 'expected less nesting and fewer aliases',
  TAB_AS_INDENT: 'expected spaces: YAML is not indented with tabs',
  TAG_RESOLVE_FAILED: 'expected a value without a tag; a text that starts with "!" needs quotes',
  UNEXPECTED_TOKEN: 'expected something else here: what stands there does not belong to the line',
}

/** `text` is what the error is about, as its position counts. */
export function yamlMessage({ code, pos }: YAMLError, text: string): string {
  // In `{ level: ${LEVEL} }` the inner brace begins a map, as far as YAML is concerned.
  const [at] = pos
  if (text.slice(Math.max(0, at - 2), at + 1).includes('${')) {
    return 'expected quotes around a text with "${" within braces or brackets'
  }
  if (text.slice(Math.max(0, at - 1), at + 2).includes('{{')) {
    return 'expected no "{{" outside of quotes: it may be a template that has not been rendered'
  }
  return MESSAGES[code] ?? 'expected valid YAML'
}
