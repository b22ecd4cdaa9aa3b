import { expect, onTestFinished, test } from 'vitest'
import { openUpstream } from '../../../src/upstream/upstream.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { bodyFrom } from '../../helpers/one-exchange.ts'

test('certificates that TLS cannot use fail each request, and take no connection from the next', async () => {
  const upstream = openUpstream(
    {
      origin: 'https://127.0.0.1:1',
      connectTimeoutMs: 1_000,
      maxConnections: 1,
      maxHeaderBytes: 16_384,
    },
    { cert: 'no certificate', key: 'no key' },
    createFakeClock(),
  )
  onTestFinished(upstream.close)
  for (let i = 0; i < 3; i += 1) {
    await expect(bodyFrom(upstream)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_OSSL_/),
    })
    expect(upstream.load()).toEqual({ connected: 0, running: 0, queued: 0 })
  }
})
