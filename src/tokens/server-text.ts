/** Shorter values occur in ordinary text. */
const MIN_SECRET_LENGTH = 4
/** Shorter parts of a secret are not secret. */
const MIN_PART_LENGTH = 8
const MAX_LENGTH = 300

/** Whether a text from the server contains no secret and is not a part of one. */
export function isFreeOfSecrets(text: string, secrets: readonly string[]): boolean {
  return !secrets.some(
    (secret) =>
      secret.length >= MIN_SECRET_LENGTH &&
      (text.includes(secret) || (text.length >= MIN_PART_LENGTH && secret.includes(text))),
  )
}

/**
 * A text from the server, sanitized for a terminal: one line of limited length, without control and
 * bidirectional characters, and with secrets redacted.
 */
export function sanitized(text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH)
  const redacted = known
    .toSorted((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)
  const line = redacted.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH).trimEnd()} …`
}
