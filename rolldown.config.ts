import { chmod } from 'node:fs/promises'
import { defineConfig } from 'rolldown'

const FILE = 'dist/cli.js'

/** What ships: one file that also an unsupported Node can parse, so that it can say so. */
export default defineConfig({
  input: 'src/cli.ts',
  platform: 'node',
  transform: { target: 'node18' },
  output: { file: FILE, format: 'esm', sourcemap: true, codeSplitting: false },
  plugins: [{ name: 'executable', writeBundle: async () => await chmod(FILE, 0o755) }],
})
