import { readFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
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

/** What ships: one file that also an unsupported Node can parse, so that it can say so. */
export default defineConfig({
  input: 'src/cli.ts',
  platform: 'node',
  transform: { target: 'node18' },
  output: { file: FILE, format: 'esm', sourcemap: true, codeSplitting: false },
  plugins: [inlineFiles, { name: 'executable', writeBundle: async () => await chmod(FILE, 0o755) }],
})
