import { styleText } from 'node:util'
import type { Io } from './io.ts'

type Style = 'bold' | 'cyan' | 'dim' | 'green' | 'red' | 'yellow'

/** The sequences that the styles are made of, and no others. */
// oxlint-disable-next-line no-control-regex -- a style begins with ESC
export const STYLES = /(\u001B\[(?:1|2|22|3[1236]|39)m)/

/** Colours a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string

/** Colours for a terminal, unless they are not wanted there (https://no-color.org). */
export function createPaint(isTerminal: boolean, { env }: Pick<Io, 'env'>): Paint {
  const isWanted = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return isTerminal && isWanted
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text
}
