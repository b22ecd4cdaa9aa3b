import type { FailureCode } from '../errors.ts'
import { createHistogram, type Histogram } from './histogram.ts'

/** The counters of one credential. */
export type TokenRequestMetrics = {
  readonly finished: (outcome: TokenRequestOutcome, durationMs: number) => void
  readonly obtained: (reason: TokenReason) => void
  /** An API rejected the token. */
  readonly refused: () => void
  readonly read: () => TokenRequestReading
}

type TokenRequestReading = {
  readonly outcomes: ReadonlyMap<TokenRequestOutcome, number>
  readonly reasons: ReadonlyMap<TokenReason, number>
  readonly refusals: number
  readonly duration: Histogram
}

type TokenRequestOutcome = 'success' | FailureCode

/**
 * Why a token was requested: there was none, it was about to expire, or an API had rejected it. `shared`
 * ones came from the store of the fleet.
 */
type TokenReason = (typeof REASONS)[number]

/** Exposed from the start, so that rate() sees the first failure. */
const OUTCOMES = ['success', 'token_unavailable', 'token_rejected', 'token_invalid'] as const
const REASONS = ['issued', 'renewed', 'replaced', 'shared'] as const

export function createTokenRequestMetrics(): TokenRequestMetrics {
  const outcomes = new Map<TokenRequestOutcome, number>(OUTCOMES.map((outcome) => [outcome, 0]))
  const reasons = new Map<TokenReason, number>(REASONS.map((reason) => [reason, 0]))
  const duration = createHistogram()
  let refusals = 0
  return {
    finished(outcome, durationMs) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      duration.observe(durationMs)
    },
    obtained(reason) {
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    },
    refused() {
      refusals += 1
    },
    read: () => ({ outcomes, reasons, refusals, duration }),
  }
}
