import type { Problem } from '../config/problem.ts'

/** A problem as a program reads it; without a line and a column if there is no file to read. */
export type ReportedProblem = Omit<Problem, 'line' | 'column'> & {
  readonly line: number | null
  readonly column: number | null
}

export function unreadableProblem(fault: string): ReportedProblem {
  return { line: null, column: null, path: '', message: fault }
}
