import type { TokenState } from '../tokens/token-source.ts'

export type Readiness = {
  readonly ready: boolean
  /** What is missing, in words; empty when ready. */
  readonly reasons: readonly string[]
}

export type ReadinessToken = {
  readonly token: string
  /** Whether readiness waits for it. */
  readonly required: boolean
  readonly state: TokenState
}

/** Ready: every token is in hand, or has only expired because nobody wanted it. */
export function readinessOf(tokens: readonly ReadinessToken[], draining: boolean): Readiness {
  const reasons = tokens.flatMap(({ token, required, state }) => {
    if (!required || state.usable) return []
    if (state.failure !== undefined) return [`token "${token}": ${state.failure.error.message}`]
    if (state.obtainedAtMs === undefined) return [`token "${token}": not obtained yet`]
    return []
  })
  if (draining) reasons.unshift('shutting down')
  return { ready: reasons.length === 0, reasons }
}
