import type { Problem } from '../config/problem.ts'

/**
 * The line of a file that a problem is about, and a line that points at the place. Of the file it
 * shows the key alone, and only one that the problem names itself: all else might be a secret.
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
