/** An error that the user can correct; any other error is a bug in the benchmark. */
export class BenchError extends Error {
  override name = 'BenchError'
}
