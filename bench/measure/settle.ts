import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from '../system/proc.ts'

export type SettleOptions = {
  /** What a process that does nothing may still give back takes a while. */
  readonly leastSeconds: number
  readonly mostSeconds: number
  readonly signal: AbortSignal
}

/** What is resident once that has stopped changing. */
export async function settledBytes(
  pids: readonly number[],
  { leastSeconds, mostSeconds, signal }: SettleOptions,
): Promise<number> {
  const seen: number[] = []
  for (;;) {
    await sleep(1000, undefined, { signal })
    seen.push(residentBytes(pids))
    if (seen.length >= mostSeconds) break
    if (seen.length >= leastSeconds && isSteady(seen.slice(-5))) break
  }
  return seen.at(-1) ?? Number.NaN
}

function isSteady(values: readonly number[]): boolean {
  return Math.max(...values) <= Math.min(...values) * 1.01
}
