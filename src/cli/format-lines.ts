import type { Paint } from './paint.ts'

/** Name and value in two columns, indented. */
export function formatLines(
  lines: readonly (readonly [string, string])[],
  paint: Paint = (_style, text) => text,
): string {
  const width = Math.max(10, ...lines.map(([name]) => name.length))
  return lines.map(([name, value]) => `  ${paint('dim', name.padEnd(width))}  ${value}\n`).join('')
}
