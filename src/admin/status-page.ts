import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

// The bundler puts the texts themselves in the place of these three calls.
const HTML = readFileSync(new URL('page/page.html', import.meta.url), 'utf8')
const STYLE = readFileSync(new URL('page/style.css', import.meta.url), 'utf8')
const SCRIPT = readFileSync(new URL('page/script.js', import.meta.url), 'utf8')

/**
 * The page for people, the same for everybody: its script asks `/status` for what it shows, and puts
 * that into text nodes and attributes only. So no name in a configuration can become markup, and the
 * policy can forbid whatever is not in these files.
 */
export const STATUS_PAGE = {
  status: 200,
  type: 'text/html; charset=utf-8',
  body: HTML.replace('<style></style>', () => `<style>${STYLE}</style>`).replace(
    '<script type="module"></script>',
    () => `<script type="module">${SCRIPT}</script>`,
  ),
  headers: {
    'Content-Security-Policy': [
      "default-src 'none'",
      `script-src ${hashOf(SCRIPT)}`,
      `style-src ${hashOf(STYLE)}`,
      "connect-src 'self'",
      // The icon, whose colour tells the state.
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join('; '),
    'Referrer-Policy': 'no-referrer',
  },
}

function hashOf(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`
}
