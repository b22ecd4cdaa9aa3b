import { cpuPerRequest, ratios } from '../report/figures.ts'
import { formatNumber } from '../report/format.ts'
import type { Round } from './result.ts'
import { median } from './statistics.ts'

export type GuardVerdict = {
  readonly isWithin: boolean
  /** One sentence with every figure in it. */
  readonly text: string
}

/** Whether a request costs no more than so many times what it costs in the bare loop. */
export function guardVerdict(
  own: readonly Round[],
  bare: readonly Round[],
  mostRatio: number,
): GuardVerdict {
  const ratio = median(ratios(own, bare, cpuPerRequest))
  const isWithin = ratio <= mostRatio
  return {
    isWithin,
    text: `A small GET costs token-sidecar ${micros(own)} of CPU and the bare dispatch loop ${micros(bare)}: ${formatNumber(ratio)} times as much, ${isWithin ? 'within' : 'above'} the bound of ${mostRatio}`,
  }
}

function micros(rounds: readonly Round[]): string {
  return `${formatNumber(median(rounds.map(cpuPerRequest)))} µs`
}
