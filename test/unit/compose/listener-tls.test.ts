import { expect, test } from 'vitest'
import { watchListenerTls } from '../../../src/compose/listener-tls.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

const FIRST = { cert: 'certificate', key: 'key', ca: undefined }
const RENEWED = { ...FIRST, cert: 'renewed' }

test('a listener gets its files when they have changed, and keeps those it has while they cannot be read', async () => {
  const clock = createFakeClock()
  const applied: unknown[] = []
  const reads = [
    Promise.resolve(FIRST),
    Promise.reject(new Error('no such file')),
    Promise.resolve(RENEWED),
    Promise.resolve(RENEWED),
  ]
  for (const read of reads) read.catch(() => {})
  const read = async () => await (reads.shift() ?? Promise.resolve({ ...FIRST, cert: 'too late' }))
  const stop = watchListenerTls(FIRST, read, clock, (tls) => void applied.push(tls))
  await clock.advance(20_000)
  expect(applied).toEqual([])
  await clock.advance(20_000)
  expect(applied).toEqual([RENEWED])
  stop()
  await clock.advance(60_000)
  expect(applied).toEqual([RENEWED])
})
