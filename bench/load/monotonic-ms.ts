/** A monotonic clock shared by all threads; `performance.now()` has a different origin in each thread. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
