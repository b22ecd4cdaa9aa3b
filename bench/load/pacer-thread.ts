import { parentPort, workerData } from 'node:worker_threads'
import * as z from 'zod'
import { monotonicMs } from './monotonic-ms.ts'

/**
 * Says when time is up, to a fraction of a millisecond: the timers of an event loop are coarser
 * than the latencies that are measured here, and a loop that spins would take the upstream's CPU.
 * Each time it says when that was to be, so that nobody else needs a count that goes in step.
 */
const { intervalMs } = z.object({ intervalMs: z.number() }).parse(workerData)
const never = new Int32Array(new SharedArrayBuffer(4))

let nextMs = monotonicMs()
for (;;) {
  nextMs += intervalMs
  const pauseMs = nextMs - monotonicMs()
  if (pauseMs > 0) Atomics.wait(never, 0, 0, pauseMs)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
  parentPort?.postMessage(nextMs)
}
