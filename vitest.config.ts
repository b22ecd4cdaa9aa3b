import { defineConfig } from 'vitest/config'
import { PlainReporter } from './test/plain-reporter.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new PlainReporter()],
    testTimeout: 60_000,
    // oidc-provider warns about being used for a test; nobody needs to read it each time.
    onConsoleLog: (line) => !line.startsWith('oidc-provider '),
  },
})
