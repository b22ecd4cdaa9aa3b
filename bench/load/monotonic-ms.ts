/** Milliseconds that all threads count alike, unlike those of `performance`, which begin with each thread. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
