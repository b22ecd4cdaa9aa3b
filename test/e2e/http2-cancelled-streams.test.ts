import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startFrameUpstream } from '../helpers/frame-upstream.ts'
import {
  dataFrame,
  ERROR,
  FLAG,
  FRAME,
  headersFrame,
  openFrameClient,
  requestFields,
  resetFrame,
} from '../helpers/http2-frames.ts'
import { inspect, INSPECTABLE } from '../helpers/inspector.ts'
import { metric } from '../helpers/metrics.ts'
import { startProgram } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/** Below the limit of 2,000 resets at once on one connection. */
const STREAMS_PER_CONNECTION = 1_000
const CONNECTIONS = 10
const CONCURRENT_STREAMS = 100

/** A leaked stream retains more than 1 kB; compiled code and counters grow by less than this per stream. */
const LEAK_BYTES = 256

const POST = requestFields([], { method: 'POST', path: '/orders' })

test('ten thousand streams that are cancelled in the middle of an upload retain no memory', async () => {
  let received = 0
  const upstream = await startFrameUpstream(() => {}, {
    onFrame: ({ type }) => {
      if (type === FRAME.DATA) received += 1
    },
  })
  const program = await startProgram(forwardConfig(upstream.origin, 'http2: always'), INSPECTABLE)
  const takeSnapshot = await inspect(program)
  const openStreams = async (side: string) =>
    await metric(program, 'token_sidecar_http2_streams_open', { side })

  const cancelStreams = async (): Promise<void> => {
    const client = await openFrameClient(program.proxyUrl)
    for (let first = 0; first < STREAMS_PER_CONNECTION; first += CONCURRENT_STREAMS) {
      const ids = Array.from({ length: CONCURRENT_STREAMS }, (_, i) => 2 * (first + i) + 1)
      const before = received
      for (const id of ids) {
        client.send(headersFrame(id, POST, FLAG.END_HEADERS), dataFrame(id, 'x', 0))
      }
      await until(() => received - before >= CONCURRENT_STREAMS)
      for (const id of ids) client.send(resetFrame(id, ERROR.CANCEL))
      await until(async () => (await openStreams('upstream')) === 0)
    }
    expect(client.goaway()).toBeUndefined()
    client.socket.destroy()
    await until(
      async () =>
        (await metric(program, 'token_sidecar_http2_sessions_open', { side: 'client' })) === 0,
    )
  }

  for (let i = 0; i < 3; i += 1) await cancelStreams()
  const before = await takeSnapshot()
  for (let i = 0; i < CONNECTIONS; i += 1) await cancelStreams()
  const after = await takeSnapshot()
  const grownBytes = after.retainedBytes - before.retainedBytes
  expect(grownBytes / (CONNECTIONS * STREAMS_PER_CONNECTION)).toBeLessThan(LEAK_BYTES)
  expect(await openStreams('client')).toBe(0)
})
