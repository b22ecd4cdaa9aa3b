import type { FailureCode } from '../errors.ts'
import { createHistogram, type Histogram } from './histogram.ts'

/** What one credential counts. */
export type TokenRequestMetrics = {
  finished(outcome: TokenRequestOutcome, durationMs: number): void
  read(): {
    readonly outcomes: ReadonlyMap<TokenRequestOutcome, number>
    readonly duration: Histogram
  }
}

type TokenRequestOutcome = 'success' | FailureCode

/** Shown from the start, so that the first failure is already an increase. */
const EXPECTED = ['success', 'token_unavailable', 'token_rejected', 'token_invalid'] as const

export function createTokenRequestMetrics(): TokenRequestMetrics {
  const outcomes = new Map<TokenRequestOutcome, number>(EXPECTED.map((outcome) => [outcome, 0]))
  const duration = createHistogram()
  return {
    finished(outcome, durationMs) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      duration.observe(durationMs)
    },
    read: () => ({ outcomes, duration }),
  }
}
