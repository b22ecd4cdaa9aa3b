import type { Contender } from '../contenders/contender.ts'
import type { Case } from '../measure/cases.ts'
import { compare, type Pace } from '../measure/compare.ts'
import { createLoads } from '../measure/loads.ts'
import type { CaseResult } from '../measure/result.ts'
import { caseTable } from '../report/case-table.ts'
import { describeRun } from '../report/describe-run.ts'
import type { Figures } from '../report/figures.ts'
import { createProgress } from '../report/progress.ts'
import { setStage } from '../stage/stage.ts'
import { pinCores } from '../system/cores.ts'
import type { Io } from './io.ts'

export type MeasureCasesOptions = {
  readonly cases: readonly Case[]
  readonly contenders: readonly Contender[]
  readonly pace: Pace
}

/** Long enough that no token is renewed during a measurement. */
const TOKEN_LIFETIME_SECONDS = 36_000

/** Compares contenders and prints the table of each case as soon as it is complete. */
export async function measureCases(options: MeasureCasesOptions, io: Io): Promise<Figures> {
  const { cases, contenders, pace } = options
  const stage = await setStage({
    cores: pinCores(),
    tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS,
    signal: io.signal,
  })
  try {
    const loads = await createLoads(stage)
    const { facts: setup, markdown } = await describeRun({ contenders, pace, stage, loads })
    io.out(markdown)
    const progress = createProgress({
      steps: await countSteps(options),
      write: io.err,
      isTerminal: io.isErrTerminal,
      nowMs: () => performance.now(),
    })
    const results: CaseResult[] = []
    for (const each of cases) {
      const result = await compare(each, {
        stage,
        loads,
        pace,
        contenders: contendersOf(each, contenders),
        onStep({ what, entry, round }) {
          io.signal.throwIfAborted()
          const when = round === 0 ? 'warming up' : `round ${round} of ${pace.rounds}`
          progress.step(`${what}: ${entry}, ${when}`)
        },
      })
      progress.end()
      io.out(`${caseTable(result)}\n`)
      results.push(result)
    }
    return { cases: results, setup }
  } finally {
    await stage.close()
  }
}

function contendersOf({ only }: Case, contenders: readonly Contender[]): readonly Contender[] {
  return contenders.filter(({ name }) => only?.includes(name) ?? true)
}

/** Counts the warm-ups and rounds of all contenders that are installed. */
async function countSteps({ cases, contenders, pace }: MeasureCasesOptions): Promise<number> {
  const found = await Promise.all(
    contenders.map(async (contender) => ({ contender, ...(await contender.find()) })),
  )
  const installed = found.filter(({ isFound }) => isFound).map(({ contender }) => contender)
  const entries = cases.flatMap((each) =>
    contendersOf(each, installed).flatMap((contender) =>
      each.variations.filter(({ workload }) => contender.cannot?.(workload) === undefined),
    ),
  )
  return entries.length * (pace.rounds + 1)
}
