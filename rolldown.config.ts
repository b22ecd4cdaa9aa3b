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
exports.buildConnector = require('undici/lib/core/connect.js')
`

const undiciParts: Plugin = {
  name: 'undici-parts',
  resolveId: {
    filter: { id: /^undici$/ },
    handler: () => fileURLToPath(new URL('undici-parts.cjs', import.meta.url)),
  },
  load: { filter: { id: /undici-parts\.cjs$/ }, handler: () => UNDICI_PARTS },
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
    // V8 keeps the text, and needs two bytes for each character of it as soon as one is not Latin-1.
    comments: { legal: true, annotation: false, jsdoc: false },
    minify: {
      compress: false,
      mangle: false,
      codegen: { asciiOnly: true, removeWhitespace: false },
    },
  },
  plugins: [
    undiciParts,
    inlineFiles,
    { name: 'executable', writeBundle: async () => await chmod(FILE, 0o755) },
  ],
})
