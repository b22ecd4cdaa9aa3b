import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startFrameUpstream } from '../helpers/frame-upstream.ts'
import { FLAG, headersFrame, openFrameClient, requestFields } from '../helpers/http2-frames.ts'
import { inspect, INSPECTABLE } from '../helpers/inspector.ts'
import { metric } from '../helpers/metrics.ts'
import { startProgram } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const STREAMS = 20_000
const CONCURRENT_STREAMS = 100

/** A leaked stream retains more than 1 kB; compiled code and counters grow by less than this per stream. */
const LEAK_BYTES = 256

const END = FLAG.END_HEADERS | FLAG.END_STREAM
const GET = requestFields([], { path: '/orders' })

test('20,000 completed streams on one open connection retain no memory', async () => {
  const upstream = await startFrameUpstream((streamId, { send }) =>
    send(headersFrame(streamId, [':status', '204', 'x-request', `number-${streamId}`], END)),
  )
  const program = await startProgram(forwardConfig(upstream.origin, 'http2: always'), INSPECTABLE)
  const takeSnapshot = await inspect(program)
  const client = await openFrameClient(program.proxyUrl)
  let opened = 0

  const completeStreams = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += CONCURRENT_STREAMS) {
      const ids = Array.from({ length: CONCURRENT_STREAMS }, (_, i) => 2 * (opened + i) + 1)
      opened += CONCURRENT_STREAMS
      client.send(...ids.map((id) => headersFrame(id, GET, END)))
      const streams = await Promise.all(ids.map(async (id) => await client.response(id)))
      expect(streams.every(({ sections }) => sections[0]?.includes('204'))).toBe(true)
    }
    for (const side of ['client', 'upstream']) {
      await until(
        async () => (await metric(program, 'token_sidecar_http2_streams_open', { side })) === 0,
      )
    }
  }

  await completeStreams(3_000)
  const before = await takeSnapshot()
  await completeStreams(STREAMS)
  const after = await takeSnapshot()
  expect((after.retainedBytes - before.retainedBytes) / STREAMS).toBeLessThan(LEAK_BYTES)
  expect(client.goaway()).toBeUndefined()
  expect(upstream.connections).toHaveLength(1)
})
