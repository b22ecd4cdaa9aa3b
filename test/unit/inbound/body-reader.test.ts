import { once } from 'node:events'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { readBody } from '../../../src/inbound/body-reader.ts'

test('an empty body that ended before it was read ends', async () => {
  const from = new Readable({ read() {} }).pause()
  // What node:http2 does at the end of a stream.
  from.push(null)
  from.read(0)
  await once(from, 'end')
  const { stream, isComplete } = readBody(
    {
      stream: from,
      isComplete: () => from.readableEnded,
      receivedBytes: () => 0,
      trailers: () => [],
      closeReason: () => new SidecarError('client_closed', 'closed'),
    },
    0,
    (fields) => fields,
  )
  stream.resume()
  await once(stream, 'end')
  expect(isComplete()).toBe(true)
})
