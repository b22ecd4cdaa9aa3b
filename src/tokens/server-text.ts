/** Shorter values occur in any text, so that to look for them would only mangle it. */
const MIN_SECRET_LENGTH = 4
/** A part of a secret that is worth something. */
const MIN_PART_LENGTH = 8
const MAX_LENGTH = 300

/** Whether a text of the server's repeats nothing secret. */
export function isHarmless(text: string, secrets: readonly string[]): boolean {
  return !secrets.some(
    (secret) =>
      secret.length >= MIN_SECRET_LENGTH &&
      (text.includes(secret) || (text.length >= MIN_PART_LENGTH && secret.includes(text))),
  )
}

/**
 * A text of the server's for the terminal of a person: on one line, of limited length, without characters
 * that control a terminal or change the direction of writing, and without what is secret.
 */
export function presentable(text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH)
  const redacted = known
    .toSorted((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)
  const line = redacted.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH).trimEnd()} …`
}
