import { cpuPerRequest, ratios } from '../report/figures.ts'
import { formatNumber } from '../report/format.ts'
import type { Round } from './result.ts'
import { median } from './statistics.ts'

export type GuardResult = {
  readonly isWithin: boolean
  /** One sentence that contains all figures. */
  readonly text: string
}

/** Compares the CPU time per request with `maxRatio` times that of the bare loop. */
export function guardResult(
  own: readonly Round[],
  bare: readonly Round[],
  maxRatio: number,
): GuardResult {
  const ratio = median(ratios(own, bare, cpuPerRequest))
  const isWithin = ratio <= maxRatio
  return {
    isWithin,
    text: `A small GET costs token-sidecar ${micros(own)} of CPU and the bare dispatch loop ${micros(bare)}: ${formatNumber(ratio)} times as much, ${isWithin ? 'within' : 'above'} the bound of ${maxRatio}`,
  }
}

function micros(rounds: readonly Round[]): string {
  return `${formatNumber(median(rounds.map(cpuPerRequest)))} µs`
}
