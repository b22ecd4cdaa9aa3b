import { BUDGETS } from '../report/budgets.ts'
import type { Figures } from '../report/figures.ts'
import { describeMachine } from '../report/machine.ts'
import { budgetTable, evaluateBudget } from '../report/budget-result.ts'
import { writeJson } from '../report/write-json.ts'
import { EXIT, type Io } from './io.ts'

export type ConcludeOptions = {
  readonly figures: Figures
  /** All budgets, or only those with measured figures. */
  readonly budgets: 'all' | 'measured'
  readonly jsonFile: string | undefined
}

/** Prints the budgets, writes the raw figures and returns the exit code. */
export async function conclude(
  { figures, budgets, jsonFile }: ConcludeOptions,
  io: Io,
): Promise<number> {
  const shown = BUDGETS.filter(
    (budget) => budgets === 'all' || evaluateBudget(budget, figures).result !== 'not measured',
  )
  if (shown.length > 0) io.out(`### Budgets\n\n${budgetTable(shown, figures)}`)
  if (jsonFile !== undefined) {
    const results = BUDGETS.map((budget) => evaluateBudget(budget, figures))
    await writeJson(jsonFile, { machine: describeMachine(), ...figures, results })
  }
  const failures = figures.cases.flatMap(({ name, entries }) =>
    entries
      .filter(({ failure }) => failure !== undefined)
      .map(({ contender, label, failure }) => `${name}: ${contender}${label} failed: ${failure}\n`),
  )
  io.err(failures.join(''))
  return failures.length > 0 ? EXIT.failed : EXIT.ok
}
