export type Backoff = {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * Exponential backoff with full jitter, so that clients that failed at the same time do not retry at the
 * same time. `failures` counts from 1.
 */
export function backoffMs({ baseMs, maxMs }: Backoff, failures: number, random: number): number {
  return random * Math.min(maxMs, baseMs * 2 ** (failures - 1))
}
