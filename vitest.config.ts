import { defineConfig } from 'vitest/config'
import { PlainReporter } from './test/plain-reporter.ts'

/** Node's permission model with everything allowed except child processes. */
const NO_CHILD_PROCESSES = [
  '--permission',
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  '--allow-net',
  '--allow-addons',
  '--allow-worker',
]

export default defineConfig({
  test: {
    reporters: ['default', new PlainReporter()],
    testTimeout: 60_000,
    // By default one core is left idle, and most of the time of the system tests is waiting.
    maxWorkers: '100%',
    // oidc-provider warns on every start that it is used for a test.
    onConsoleLog: (line) => !line.startsWith('oidc-provider '),
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // Without a process per file they take a third of the time.
          isolate: false,
          execArgv: NO_CHILD_PROCESSES,
        },
      },
      {
        extends: true,
        test: { name: 'system', include: ['test/**/*.test.ts'], exclude: ['test/unit/**'] },
      },
    ],
  },
})
