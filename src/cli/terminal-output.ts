import { escapeControlsInLines } from '../lib/escape-controls.ts'
import type { Io } from './io.ts'
import { STYLES } from './paint.ts'

/** Escapes control characters in all output, except for the styles of `createPaint` on a terminal. */
export function withEscapes(io: Io): Io {
  const { isTerminal, isErrTerminal } = io
  return {
    ...io,
    out: (text) => io.out(escapedOutput(text, isTerminal)),
    err: (text) => io.err(escapedOutput(text, isErrTerminal)),
  }
}

function escapedOutput(text: string, isPainted: boolean): string {
  if (!isPainted) return escapeControlsInLines(text)
  return text
    .split(STYLES)
    .map((part, index) => (index % 2 === 1 ? part : escapeControlsInLines(part)))
    .join('')
}
