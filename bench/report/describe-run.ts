import type { Contender } from '../contenders/contender.ts'
import type { Pace } from '../measure/compare.ts'
import type { Loads } from '../measure/loads.ts'
import type { Stage } from '../stage/stage.ts'
import { formatNumber } from './format.ts'
import { describeMachine } from './machine.ts'

export type RunOptions = {
  readonly contenders: readonly Contender[]
  readonly pace: Pace
  readonly stage: Stage
  readonly loads: Loads
}

/** Describes the setup of a run, for the head of the report and for the raw figures. */
export async function describeRun({ contenders, pace, stage, loads }: RunOptions) {
  const machine = describeMachine()
  const versions = await Promise.all(
    contenders.map(async (each) => ({
      name: each.name,
      about: each.about,
      ...(await each.find()),
    })),
  )
  const facts = {
    machine,
    versions,
    pace,
    cores: stage.cores.note,
    upstream: stage.upstream.note,
    load: loads.note,
  }
  const { processor, processors, memoryGb, system, node, nodeFlags, date, loadAverage } = machine
  const lines = [
    `- Machine: ${processor}, ${processors} processors, ${memoryGb} GB; ${system}; ${date.slice(0, 10)}, load average before the run ${formatNumber(loadAverage)}`,
    `- Node ${node} with \`${nodeFlags.join(' ')}\`, as in the image, for every contender that runs on it`,
    `- Cores: ${facts.cores}`,
    `- Upstream: ${facts.upstream}; load: ${facts.load}, at a fixed rate the generator of this benchmark`,
    `- ${pace.rounds} interleaved round${pace.rounds === 1 ? '' : 's'} of ${pace.seconds} s, after ${pace.warmUpSeconds} s of warm-up; medians, with minimum and maximum in parentheses`,
    '- The access log goes to a file in the temporary directory; a pipe may cost more or less',
    ...versions.map(
      (each) =>
        `- ${each.name}: ${each.isFound ? [each.version, each.about].filter((text) => text !== '').join(', ') : `skipped: ${each.missing}`}`,
    ),
  ]
  return { facts, markdown: `${lines.join('\n')}\n\n` }
}
