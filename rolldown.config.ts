import { readFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'rolldown'

const FILE = 'dist/cli.js'

const READ_BESIDE = /readFileSync\(new URL\('([^']+)', import\.meta\.url\), 'utf8'\)/g

/** Files that a source reads from beside itself become strings: only one file ships. */
const inlineFiles: Plugin = {
  name: 'inline-files',
  transform: {
    filter: { code: READ_BESIDE },
    handler: (code, id) => ({
      code: code.replaceAll(READ_BESIDE, (_call, path: string) =>
        JSON.stringify(readFileSync(join(id, '..', path), 'utf8')),
      ),
      // Every line is still where it was.
      map: null,
    }),
  },
}

/**
 * What of undici is used. Its index loads all of it: `fetch`, caches, mocks, WebSocket, which is some
 * megabytes in every process for nothing.
 */
const UNDICI_PARTS = `
const Dispatcher = require('undici/lib/dispatcher/dispatcher.js')
// As its index does it.
Object.assign(Dispatcher.prototype, require('undici/lib/api/index.js'))
exports.Agent = require('undici/lib/dispatcher/agent.js')
exports.EnvHttpProxyAgent = require('undici/lib/dispatcher/env-http-proxy-agent.js')
`

const undiciParts: Plugin = {
  name: 'undici-parts',
  resolveId: {
    filter: { id: /^undici$/ },
    handler: () => fileURLToPath(new URL('undici-parts.cjs', import.meta.url)),
  },
  load: { filter: { id: /undici-parts\.cjs$/ }, handler: () => UNDICI_PARTS },
}

/**
 * V8 keeps the text, and Node makes it one of two bytes for each character as soon as one of them is not
 * ASCII. Where that may be in the bundle, in strings, expressions and comments, an escape means the same.
 */
const oneByteText: Plugin = {
  name: 'one-byte-text',
  generateBundle(_options, bundle) {
    for (const part of Object.values(bundle)) {
      if (part.type === 'chunk') part.code = part.code.replaceAll(/[^\0-\x7f]/g, escapeOf)
    }
  },
}

function escapeOf(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** What ships: one file that also an unsupported Node can parse, so that it can say so. */
export default defineConfig({
  input: 'src/cli.ts',
  platform: 'node',
  transform: { target: 'node18' },
  output: {
    file: FILE,
    format: 'esm',
    sourcemap: true,
    codeSplitting: false,
    comments: { legal: true, annotation: false, jsdoc: false },
  },
  plugins: [
    undiciParts,
    inlineFiles,
    oneByteText,
    { name: 'executable', writeBundle: async () => await chmod(FILE, 0o755) },
  ],
})
