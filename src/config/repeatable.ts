/*
 * Messages name what the file says so that it is found at once. They end up in logs and on the status
 * page, and a slip may have put a secret anywhere, so only what does not look like one is repeated.
 */

/** Where words are spelt with a digit, and what passwords look like all the same. */
const KNOWN_WORDS = /oauth2|http2|base64|sha256|ed25519|[rpe]s256|x509|ipv[46]|utf8|rfc\d{4}/gi

const LONGEST_WORD = 24

/** Whether a text is made of words or numbers: passwords mix them, and random characters are long. */
export function looksPublic(text: string): boolean {
  // A word with a number, such as "winter-2026", as people make up passwords; addresses are not.
  if (/^[\w-]*$/.test(text) && /[A-Za-z]/.test(text) && /\d{3}/.test(text)) return false
  const runs = text.replaceAll(KNOWN_WORDS, ' ').match(/[A-Za-z\d]+/g) ?? []
  return runs.every(
    (run) =>
      run.length <= LONGEST_WORD &&
      (run.length < 6 || !(/[A-Za-z]/.test(run) && /\d/.test(run))) &&
      !/[a-z][A-Z]{2,}[a-z]|[A-Z][a-z][A-Z][a-z][A-Z]/.test(run),
  )
}

/** Whether an unknown key is a word, as keys are: `colour`, `maxRetries`, `max_retries`, `X-Tenant`. */
export function looksLikeKey(key: string): boolean {
  return /^[A-Za-z][a-z]*(?:[A-Z][a-z]+|[_.-][A-Za-z]+)*$/.test(key) && key.length <= LONGEST_WORD
}

/** Whether the name of a variable is one, as environments have them: `CORP_CLIENT_SECRET`. */
export function looksLikeVariable(name: string): boolean {
  return /^[A-Z][A-Z\d]*(?:_[A-Z\d]+)*$/.test(name) && name.length <= 60 && looksPublic(name)
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
