import { styleText } from 'node:util'
import type { Io } from './io.ts'

type Style = 'bold' | 'cyan' | 'dim' | 'green' | 'red' | 'yellow'

/** The escape sequences of the styles, and no others. */
// oxlint-disable-next-line no-control-regex -- a style begins with ESC
export const STYLES = /(\u001B\[(?:1|2|22|3[1236]|39)m)/

/** Adds a style to a text, or returns it unchanged. */
export type Paint = (style: Style, text: string) => string

/** Styles on a terminal, unless `NO_COLOR` disables them (https://no-color.org). */
export function createPaint(isTerminal: boolean, { env }: Pick<Io, 'env'>): Paint {
  const isEnabled = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return isTerminal && isEnabled
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text
}
