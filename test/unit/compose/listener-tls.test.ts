import { expect, test } from 'vitest'
import { readListenerTls, watchListenerTls } from '../../../src/compose/listener-tls.ts'
import { createSelfSigned } from '../../helpers/certificates.ts'
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

test('files that OpenSSL rejects are read again, and those in use are kept', async () => {
  const clock = createFakeClock()
  const applied: unknown[] = []
  let isRejected = true
  const stop = watchListenerTls(
    FIRST,
    async () => await Promise.resolve(RENEWED),
    clock,
    (tls) => {
      if (isRejected) throw new Error('PEM routines::no start line')
      applied.push(tls)
    },
  )
  await clock.advance(20_000)
  isRejected = false
  await clock.advance(10_000)
  expect(applied).toEqual([RENEWED])
  stop()
})

test.for(['', 'not a certificate'])(
  'a file of the client authority with the content %j is an error',
  async (content) => {
    const { certificate, key } = await createSelfSigned('listener')
    const files: Readonly<Record<string, string>> = { cert: certificate, key, clientCa: content }
    const read = readListenerTls(
      {
        name: 'app',
        tls: { cert: { file: 'cert' }, key: { file: 'key' }, clientCa: { file: 'clientCa' } },
      },
      async (path) => await Promise.resolve(files[path] ?? ''),
    )
    await expect(read).rejects.toThrow(/PEM|no start line/)
  },
)
