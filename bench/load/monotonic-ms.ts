/** A clock shared by all threads; the origin of `performance.now()` differs between threads. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
