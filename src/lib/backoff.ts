export type Backoff = {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * Full jitter: somewhere between nothing and a bound that doubles with each failure, so that many
 * clients that failed together do not return together. `failures` counts from 1.
 */
export function backoffMs({ baseMs, maxMs }: Backoff, failures: number, random: number): number {
  return random * Math.min(maxMs, baseMs * 2 ** (failures - 1))
}
