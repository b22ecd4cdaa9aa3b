import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { reloadOnChange } from '../../../src/cli/reload.ts'
import { createLog } from '../../../src/observe/logger.ts'
import { writeConfig } from '../../helpers/cli.ts'
import { forwardConfig } from '../../helpers/config-text.ts'
import { until } from '../../helpers/wait.ts'

test('signals while a reload is queued cause no further reload', async () => {
  const file = await writeConfig(forwardConfig('http://127.0.0.1:1'))
  let unchanged = 0
  const end = reloadOnChange({
    file,
    io: {
      out() {},
      err() {},
      env: {},
      isTerminal: false,
      isErrTerminal: false,
      exit() {},
    },
    app: {
      reload: async () => await Promise.resolve([]),
      refuse() {},
      unchanged() {
        unchanged += 1
      },
    },
    text: await readFile(file, 'utf8'),
    logger: createLog({ level: 'silent', format: 'json', destination: 2 }).logger,
    onLoaded() {},
  })
  for (let count = 0; count < 1_000; count += 1) process.emit('SIGHUP')
  await until(() => unchanged > 0)
  // Enough turns of the event loop for many further reloads.
  for (let count = 0; count < 50; count += 1) await readFile(file)
  expect(unchanged).toBe(1)
  process.emit('SIGHUP')
  await until(() => unchanged === 2)
  end()
})
