/*
 * Which parts of a configuration file a message may quote. Messages end up in logs and on the status page,
 * and a secret may have been put anywhere by mistake, so text is quoted only if it cannot be a whole secret.
 */

/** Technical terms that mix letters and digits, as passwords do. */
const TECHNICAL_TERMS = /oauth2|http2|base64|sha256|ed25519|[rpe]s256|x509|ipv[46]|utf8|rfc\d{4}/gi

/** Words that are values of settings or of common standards, so that they are not passwords. */
const STANDARD_WORDS: ReadonlySet<string> = new Set([
  'false',
  'patch',
  'delete',
  'options',
  'openid',
  'profile',
  'email',
  'bearer',
  'basic',
  'digest',
  'localhost',
])

const MAX_WORD_LENGTH = 24
/** A password of this length or less does not protect anything. */
const MAX_HARMLESS_LENGTH = 4

/**
 * Whether a value may be quoted. Passwords are words, mix letters and digits, or are long random text;
 * addresses, URLs, paths and durations are not.
 */
export function isQuotable(text: string): boolean {
  const references = [...text.matchAll(/\$\{(?<name>\w*)(?::-(?<fallback>[^{}]*))?\}/g)]
  return (
    !isPassphrase(text) &&
    hasOrdinaryWords(text) &&
    references.every(
      ({ groups: { name = '', fallback = '' } = {} }) =>
        isQuotableVariable(name) && !isPassphrase(fallback),
    )
  )
}

function isPassphrase(text: string): boolean {
  return (
    /^[A-Za-z]+(?:[ _-][A-Za-z]+)*$/.test(text) &&
    text.length > MAX_HARMLESS_LENGTH &&
    !STANDARD_WORDS.has(text.toLowerCase())
  )
}

function hasOrdinaryWords(text: string): boolean {
  // A word with a number, such as "winter-2026", is a common kind of password.
  if (/^[\w-]*$/.test(text) && /[A-Za-z]/.test(text) && /\d{3}/.test(text)) return false
  const runs = text.replaceAll(TECHNICAL_TERMS, ' ').match(/[A-Za-z\d]+/g) ?? []
  return runs.every(
    (run) =>
      run.length <= MAX_WORD_LENGTH &&
      (run.length < 6 || !(/[A-Za-z]/.test(run) && /\d/.test(run))) &&
      !/[a-z][A-Z]{2,}[a-z]|[A-Z][a-z][A-Z][a-z][A-Z]/.test(run),
  )
}

/** Whether a key that no schema knows may be quoted. */
export function isQuotableKey(key: string): boolean {
  return /^[A-Za-z]+$/.test(key) && key.length <= MAX_HARMLESS_LENGTH
}

/**
 * Whether the name of an environment variable may be quoted. A name follows one of the two conventions,
 * UPPER_CASE or snake_case with an underscore; a single word in lower or mixed case, a mixture of letters
 * and digits, and anything long may be a secret in the place of the name.
 */
export function isQuotableVariable(name: string): boolean {
  return (
    /^_?(?:[A-Z][A-Z\d]*(?:_[A-Z\d]+)*|[A-Za-z][A-Za-z\d]*(?:_[A-Za-z\d]+)+)$/.test(name) &&
    name.length <= 60 &&
    hasOrdinaryWords(name)
  )
}

const CHARACTER_NAMES: Readonly<Record<number, string>> = {
  0x00: 'NUL',
  0x09: 'tab',
  0x0a: 'line feed',
  0x0d: 'carriage return',
  0x1b: 'escape',
  0x20: 'space',
  0xa0: 'no-break space',
  0x20_0b: 'zero width space',
  0x20_18: 'left single quotation mark',
  0x20_19: 'right single quotation mark',
  0x20_1c: 'left double quotation mark',
  0x20_1d: 'right double quotation mark',
  0x20_13: 'en dash',
  0x20_14: 'em dash',
  0x20_2e: 'right-to-left override',
  0xfe_ff: 'byte order mark',
  0xff_fd: 'in place of bytes that are not UTF-8',
}

/** `character 3 is U+00A0 (no-break space)`: the first that is not allowed, and nothing else of the text. */
export function illegalCharacter(text: string, isLegal: RegExp): string | undefined {
  const characters = Array.from(text)
  const at = characters.findIndex((character) => !isLegal.test(character))
  const code = characters[at]?.codePointAt(0)
  if (code === undefined) return undefined
  const name = CHARACTER_NAMES[code]
  const number = code.toString(16).toUpperCase().padStart(4, '0')
  return `character ${at + 1} is U+${number}${name === undefined ? '' : ` (${name})`}`
}
