import type { Problem } from '../config/problem.ts'

/** A problem in JSON output; `line` and `column` are null if the file could not be read. */
export type ReportedProblem = Omit<Problem, 'line' | 'column'> & {
  readonly line: number | null
  readonly column: number | null
}

export function unreadableProblem(fault: string): ReportedProblem {
  return { line: null, column: null, path: '', message: fault }
}
