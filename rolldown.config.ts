import { defineConfig } from 'rolldown'

/** What ships: one file that also an unsupported Node can parse, so that it can say so. */
export default defineConfig({
  input: 'src/cli.ts',
  platform: 'node',
  transform: { target: 'node18' },
  output: { file: 'dist/cli.js', format: 'esm', sourcemap: true, codeSplitting: false },
})
