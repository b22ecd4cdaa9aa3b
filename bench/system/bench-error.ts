/** What the person at the terminal can do something about; anything else is a fault in the benchmark. */
export class BenchError extends Error {
  override name = 'BenchError'
}
