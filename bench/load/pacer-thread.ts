import { parentPort, workerData } from 'node:worker_threads'
import * as z from 'zod'
import { monotonicMs } from './monotonic-ms.ts'

/**
 * A timer with sub-millisecond resolution. The timers of an event loop are coarser than the
 * latencies that are measured here, and a busy loop would take CPU time from the upstream. Each
 * message carries the scheduled time, so that the receiver does not have to compute it.
 */
const { intervalMs } = z.object({ intervalMs: z.number() }).parse(workerData)
const never = new Int32Array(new SharedArrayBuffer(4))

let nextMs = monotonicMs()
for (;;) {
  nextMs += intervalMs
  const pauseMs = nextMs - monotonicMs()
  if (pauseMs > 0) Atomics.wait(never, 0, 0, pauseMs)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread
  parentPort?.postMessage(nextMs)
}
