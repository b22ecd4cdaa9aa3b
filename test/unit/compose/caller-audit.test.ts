import { openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createAudit } from '../../../src/compose/caller-authentication.ts'
import { createLog } from '../../../src/observe/logger.ts'
import { createMetrics } from '../../../src/observe/metrics.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

test('a caller that is rejected again and again is logged once a minute, with the number of requests', async () => {
  const { audit, clock, lines } = await start()
  const rejected = { reason: 'invalid_credentials', caller: 'app', address: '::1' } as const
  for (let i = 0; i < 5; i += 1) audit.note('partners', rejected)
  expect(await lines()).toMatchObject([{ listener: 'partners', caller: 'app', requests: 1 }])
  await clock.advance(60_000)
  expect(await lines()).toMatchObject([{ requests: 1 }, { requests: 4 }])
})

test('rejections of different users, reasons and listeners are logged each', async () => {
  const { audit, lines } = await start()
  audit.note('a', { reason: 'invalid_credentials', caller: 'app', address: '::1' })
  audit.note('a', { reason: 'invalid_credentials', caller: undefined, address: '::1' })
  audit.note('a', { reason: 'no_credentials', caller: undefined, address: '::1' })
  audit.note('b', { reason: 'no_credentials', caller: undefined, address: '::1' })
  expect(await lines()).toHaveLength(4)
})

test('rejections of different certificates share the limit of log lines', async () => {
  const { audit, lines } = await start()
  for (const caller of ['a', 'b', 'c']) {
    audit.note('a', { reason: 'certificate', caller, address: '::1' })
  }
  expect(await lines()).toMatchObject([{ caller: 'a', message: 'client certificate not allowed' }])
})

async function start() {
  const clock = createFakeClock()
  const file = join(await temporaryDirectory(), 'log')
  const log = createLog({ level: 'debug', format: 'json', destination: openSync(file, 'a') })
  const metrics = createMetrics({ version: '' })
  return {
    clock,
    audit: createAudit({ logger: log.logger, metrics, clock }),
    async lines(): Promise<unknown[]> {
      await log.drain(10_000)
      const text = await readFile(file, 'utf8')
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    },
  }
}
