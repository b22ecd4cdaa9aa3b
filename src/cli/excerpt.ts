import type { Problem } from '../config/problem.ts'

/**
 * The line of a file with a problem, and a line that points to the column. Only the key is shown, and only one that the
 * problem names itself, because anything else might be a secret.
 */
export function excerptOf(text: string, { line, column, path, message }: Problem): string[] {
  const written = text.replace(/^\uFEFF/, '').split(/\r?\n/)[line - 1] ?? ''
  const [whole, indent = '', key = ''] = /^((?: |- )*)([\w-]+):(?= |$)/.exec(written) ?? []
  const isNamed = path.split(/[.[\]]/).includes(key) || message.includes(`"${key}"`)
  if (whole === undefined || !isNamed) return []
  const hasMore = written.slice(whole.length).trim() !== ''
  const isAtKey = column <= whole.length || !hasMore
  const number = String(line)
  const pointer = isAtKey
    ? ' '.repeat(indent.length) + '^'.repeat(key.length)
    : `${' '.repeat(whole.length + 1)}^`
  return [`${number} | ${whole}${hasMore ? ' …' : ''}`, `${' '.repeat(number.length)} | ${pointer}`]
}
