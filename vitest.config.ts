import { defineConfig } from 'vitest/config'
import { PlainReporter } from './test/plain-reporter.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new PlainReporter()],
    testTimeout: 60_000,
  },
})
