import { escapeControlsInLines } from '../lib/escape-controls.ts'

/** What every line has, or what stands at its beginning already. */
const SAID = new Set([
  'level',
  'time',
  'message',
  'method',
  'path',
  'status',
  'durationMs',
  'stack',
])

/** A log entry as a person reads it, on one line: what happened, then the details. */
export function humanLine(entry: Readonly<Record<string, unknown>>): string {
  const { message, method, path, status, durationMs, stack } = entry
  const what =
    method === undefined
      ? String(message)
      : `${plain(status)} ${plain(method)} ${plain(path)} ${plain(durationMs)} ms`
  const details = Object.entries(entry)
    .filter(([key, value]) => !SAID.has(key) && value !== undefined)
    .map(([key, value]) => `${key}=${plain(value)}`)
  const lines = [[what, ...details].join('  ')]
  if (typeof stack === 'string') lines.push(stack)
  return escapeControlsInLines(lines.join('\n'))
}

/** Without quotes where nobody could misread it. */
function plain(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}
