import type { Budget } from './budgets.ts'
import type { Figures } from './figures.ts'
import { formatNumber } from './format.ts'
import { markdownTable } from './markdown-table.ts'

type BudgetResult = {
  readonly figure: string
  readonly budget: string
  readonly measured: string
  readonly result: 'met' | 'missed' | 'not measured'
}

export function evaluateBudget(
  { figure, bound, unit, measure }: Budget,
  figures: Figures,
): BudgetResult {
  const limit = 'max' in bound ? `≤ ${bound.max}` : `≥ ${bound.min}`
  const budget = withUnit(limit, unit)
  const found = measure(figures)
  if ('missing' in found) return { figure, budget, measured: found.missing, result: 'not measured' }
  const { value, detail } = found
  const measured = `${withUnit(formatNumber(value), unit)}${detail === '' ? '' : ` (${detail})`}`
  if (Number.isNaN(value)) return { figure, budget, measured, result: 'not measured' }
  const isMet = 'max' in bound ? value <= bound.max : value >= bound.min
  return { figure, budget, measured, result: isMet ? 'met' : 'missed' }
}

export function budgetTable(budgets: readonly Budget[], figures: Figures): string {
  const results = budgets.map((budget) => evaluateBudget(budget, figures))
  return markdownTable(
    ['figure', 'budget', 'measured', 'result'],
    results.map((each) => [
      each.figure,
      each.budget,
      each.measured,
      each.result === 'missed' ? '**missed**' : each.result,
    ]),
  )
}

function withUnit(text: string, unit: string): string {
  return unit === '' ? text : `${text} ${unit}`
}
