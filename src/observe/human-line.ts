import { styleText } from 'node:util'
import { escapeControlsInLines } from '../lib/escape-controls.ts'

/** Fields that the beginning of the line contains already. */
const LEADING_FIELDS = new Set([
  'level',
  'time',
  'message',
  'method',
  'path',
  'status',
  'durationMs',
  'stack',
])

type Style = 'blue' | 'cyan' | 'green' | 'red' | 'yellow'

const LEVEL_STYLES: ReadonlyMap<unknown, Style> = new Map([
  ['debug', 'blue'],
  ['info', 'green'],
  ['warn', 'yellow'],
  ['error', 'red'],
])

/** A JSON line of the log as a line for a terminal: time, level, what happened, then the details. */
export function humanLine(line: string): string {
  const entry: Readonly<Record<string, unknown>> = JSON.parse(line)
  const { level, time } = entry
  const levelText = paint(LEVEL_STYLES.get(level) ?? 'cyan', String(level).toUpperCase())
  return `[${localTime(new Date(String(time)))}] ${levelText}: ${paint('cyan', entryText(entry))}\n`
}

function entryText(entry: Readonly<Record<string, unknown>>): string {
  const { message, method, path, status, durationMs, stack } = entry
  const summary =
    method === undefined
      ? String(message)
      : `${valueText(status)} ${valueText(method)} ${valueText(path)} ${valueText(durationMs)} ms`
  const details = Object.entries(entry)
    .filter(([name]) => !LEADING_FIELDS.has(name))
    .map(([name, value]) => `${name}=${valueText(value)}`)
  const lines = [[summary, ...details].join('  ')]
  if (typeof stack === 'string') lines.push(stack)
  return escapeControlsInLines(lines.join('\n'))
}

/** Unquoted where that is unambiguous. */
function valueText(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}

function localTime(date: Date): string {
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0')
  return `${date.toTimeString().slice(0, 8)}.${milliseconds}`
}

function paint(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false })
}
