import type { Budget } from './budgets.ts'
import type { Figures } from './figures.ts'
import { formatNumber } from './format.ts'
import { markdownTable } from './markdown-table.ts'

type Verdict = {
  readonly figure: string
  readonly budget: string
  readonly measured: string
  readonly verdict: 'met' | 'missed' | 'not measured'
}

export function evaluateBudget(
  { figure, bound, unit, measure }: Budget,
  figures: Figures,
): Verdict {
  const limit = 'most' in bound ? `≤ ${bound.most}` : `≥ ${bound.least}`
  const budget = withUnit(limit, unit)
  const found = measure(figures)
  if ('missing' in found)
    return { figure, budget, measured: found.missing, verdict: 'not measured' }
  const { value, detail } = found
  const measured = `${withUnit(formatNumber(value), unit)}${detail === '' ? '' : ` (${detail})`}`
  if (Number.isNaN(value)) return { figure, budget, measured, verdict: 'not measured' }
  const isMet = 'most' in bound ? value <= bound.most : value >= bound.least
  return { figure, budget, measured, verdict: isMet ? 'met' : 'missed' }
}

export function budgetTable(budgets: readonly Budget[], figures: Figures): string {
  const verdicts = budgets.map((budget) => evaluateBudget(budget, figures))
  return markdownTable(
    ['figure', 'budget', 'measured', 'verdict'],
    verdicts.map((each) => [
      each.figure,
      each.budget,
      each.measured,
      each.verdict === 'missed' ? '**missed**' : each.verdict,
    ]),
  )
}

function withUnit(text: string, unit: string): string {
  return unit === '' ? text : `${text} ${unit}`
}
