import { CONTENDERS } from '../contenders/all.ts'
import type { Contender } from '../contenders/contender.ts'
import type { Case } from '../measure/cases.ts'
import { compare, type Pace } from '../measure/compare.ts'
import { createLoads } from '../measure/loads.ts'
import type { CaseResult } from '../measure/result.ts'
import { BUDGETS } from '../report/budgets.ts'
import { caseTable } from '../report/case-table.ts'
import { describeRun } from '../report/describe-run.ts'
import { createProgress } from '../report/progress.ts'
import { budgetTable } from '../report/verdict.ts'
import { writeJson } from '../report/write-json.ts'
import { setStage } from '../stage/stage.ts'
import { EXIT, type Io } from './io.ts'

export type RunCasesOptions = {
  readonly cases: readonly Case[]
  readonly contenders: readonly Contender[]
  readonly pace: Pace
  readonly jsonFile: string | undefined
  /** Whether the budgets are about these cases. */
  readonly hasBudgets: boolean
}

/** Long enough for no token to be renewed within a window. */
const TOKEN_LIFETIME_SECONDS = 36_000

export async function runCases(options: RunCasesOptions, io: Io): Promise<number> {
  const { cases, contenders, pace, jsonFile, hasBudgets } = options
  const stage = await setStage({
    tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS,
    signal: io.signal,
  })
  try {
    const loads = createLoads(stage)
    const run = await describeRun({ contenders, pace, stage, loads })
    io.out(run.markdown)
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
    const figures = { cases: results }
    if (hasBudgets) io.out(`### Budgets\n\n${budgetTable(BUDGETS, figures)}`)
    if (jsonFile !== undefined) await writeJson(jsonFile, { ...run.facts, figures })
    return results.some(hasFailure) ? EXIT.failed : EXIT.ok
  } finally {
    await stage.close()
  }
}

function contendersOf({ only }: Case, contenders: readonly Contender[]): readonly Contender[] {
  return contenders.filter(({ name }) => only?.includes(name) ?? true)
}

function hasFailure({ entries }: CaseResult): boolean {
  return entries.some(({ failure }) => failure !== undefined)
}

/** Warm-ups and rounds of all that can be measured here. */
async function countSteps({ cases, contenders, pace }: RunCasesOptions): Promise<number> {
  const found = await Promise.all(
    contenders.map(async (contender) => ({ contender, ...(await contender.find()) })),
  )
  const able = found.filter(({ isFound }) => isFound).map(({ contender }) => contender)
  const entries = cases.flatMap((each) =>
    contendersOf(each, able).flatMap((contender) =>
      each.variations.filter(({ workload }) => contender.cannot?.(workload) === undefined),
    ),
  )
  return entries.length * (pace.rounds + 1)
}

/** For those who want to know what there is, without running anything. */
export async function listAll(cases: readonly Case[], io: Io): Promise<number> {
  const lines = cases.map(({ name, title }) => `  ${name.padEnd(14)} ${title}`)
  const contenders = await Promise.all(
    CONTENDERS.map(async (contender) => {
      const { name, about } = contender
      const found = await contender.find()
      const state = found.isFound ? found.version : `left out: ${found.missing}`
      return `  ${name.padEnd(14)} ${about}${state === '' ? '' : ` [${state}]`}`
    }),
  )
  io.out(`Cases:\n${lines.join('\n')}\n\nContenders:\n${contenders.join('\n')}\n`)
  return EXIT.ok
}
