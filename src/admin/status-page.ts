import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

// The bundler replaces each call with the text of the file.
const HTML = readFileSync(new URL('page/page.html', import.meta.url), 'utf8')
const STYLE = readFileSync(new URL('page/style.css', import.meta.url), 'utf8')
// In the order of their imports.
const SCRIPTS = [
  readFileSync(new URL('page/document.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/words.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/sidecar.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/tables.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/charts.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/overview.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/rejections.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/interception.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/tokens.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/failures.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/routes.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/protocols.js', import.meta.url), 'utf8'),
  readFileSync(new URL('page/main.js', import.meta.url), 'utf8'),
]
const SCRIPT = joinModules(SCRIPTS)

/**
 * A static page whose script reads `/status` and writes only text nodes and attributes, so that no name in a
 * configuration becomes markup. The policy forbids everything that is not in these files.
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
      // The icon, whose colour shows the state.
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

/**
 * Joins the modules, so that the page is one file and its policy has one hash. Their top-level names are
 * unique, so it is enough to remove the imports and exports.
 */
export function joinModules(sources: readonly string[]): string {
  return sources
    .map((source) =>
      source
        .replaceAll(/^import \{[^}]*\} from '\.\/[a-z-]+\.js'\n/gm, '')
        .replaceAll(/^export (?=(?:async )?(?:function|const|let) )/gm, ''),
    )
    .join('\n')
}

function hashOf(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`
}
