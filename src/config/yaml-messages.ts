import type { ErrorCode, YAMLError } from 'yaml'

/*
 * Messages for invalid YAML. Those of the parser are technical, and some quote the text, which may contain a
 * secret.
 */
const MESSAGES: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'expected the name of an anchor that is defined above',
  BAD_DQ_ESCAPE:
    'expected a valid escape sequence; within single quotes a backslash is an ordinary character',
  BAD_INDENT: 'expected the same indentation as the other entries of this map or list',
  BAD_SCALAR_START: 'expected a text; one that starts with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'expected one key and one value on a line; a text with ": " in it needs quotes',
  BLOCK_IN_FLOW: 'expected a comma between the entries within braces or brackets',
  KEY_OVER_1024_CHARS: 'expected a shorter key',
  MISSING_CHAR: 'expected a closing quote, brace or bracket, a comma or a colon, which is missing',
  MULTILINE_IMPLICIT_KEY: 'expected a colon and a space after the key, on the same line',
  MULTIPLE_DOCS: 'expected a single document, and a second one begins here',
  NON_STRING_KEY: 'expected a plain name as the key',
  RESOURCE_EXHAUSTION: 'expected less nesting and fewer aliases',
  TAB_AS_INDENT: 'expected spaces: YAML does not allow tabs for indentation',
  TAG_RESOLVE_FAILED: 'expected a value without a tag; a text that starts with "!" needs quotes',
  UNEXPECTED_TOKEN: 'expected the end of the line or a separator, and found other text',
}

/** `text` is the parsed text, to which the position of the error refers. */
export function yamlMessage({ code, pos }: YAMLError, text: string): string {
  // In `{ level: ${LEVEL} }`, YAML takes the inner brace as the start of a map.
  const [at] = pos
  if (text.slice(Math.max(0, at - 2), at + 1).includes('${')) {
    return 'expected quotes around a text with "${" within braces or brackets'
  }
  if (text.slice(Math.max(0, at - 1), at + 2).includes('{{')) {
    return 'expected no "{{" outside of quotes: it may be a template that has not been rendered'
  }
  return MESSAGES[code] ?? 'expected valid YAML'
}
