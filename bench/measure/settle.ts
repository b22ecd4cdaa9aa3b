import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from '../system/proc.ts'

export type SettleOptions = {
  /** An idle process needs some time to return memory to the system. */
  readonly minSeconds: number
  readonly maxSeconds: number
  readonly signal: AbortSignal
}

/** Samples the resident memory until it is stable, and returns the last sample. */
export async function settledBytes(
  pids: readonly number[],
  { minSeconds, maxSeconds, signal }: SettleOptions,
): Promise<number> {
  const samples: number[] = []
  for (;;) {
    await sleep(1000, undefined, { signal })
    samples.push(residentBytes(pids))
    if (samples.length >= maxSeconds) break
    if (samples.length >= minSeconds && isSteady(samples.slice(-5))) break
  }
  return samples.at(-1) ?? Number.NaN
}

function isSteady(values: readonly number[]): boolean {
  return Math.max(...values) <= Math.min(...values) * 1.01
}
