import type { TokenState } from '../tokens/token-source.ts'
import { rejectionWarning, type RouteRejections } from './read-rejections.ts'

export type Readiness = {
  readonly ready: boolean
  /** What is missing, in words; empty when ready. */
  readonly reasons: readonly string[]
  /** What needs attention, in words, but does not make the sidecar unready. */
  readonly warnings: readonly string[]
}

export type ReadinessToken = {
  readonly token: string
  /** Whether readiness waits for it. */
  readonly required: boolean
  readonly state: TokenState
}

/**
 * Ready: every token is in hand, or has expired only because it is not in use. A rejected token is no
 * reason to be unready: other routes work, and a restart would not help.
 */
export function readinessOf(
  tokens: readonly ReadinessToken[],
  routes: readonly RouteRejections[],
  draining: boolean,
): Readiness {
  const reasons = tokens.flatMap(({ token, required, state }) => {
    if (!required || state.usable) return []
    if (state.failure !== undefined) return [`token "${token}": ${state.failure.error.message}`]
    if (state.obtainedAtMs === undefined) return [`token "${token}": not obtained yet`]
    return []
  })
  if (draining) reasons.unshift('shutting down')
  const warnings = routes.flatMap((route) => rejectionWarning(route) ?? [])
  for (const { token, required, state } of tokens) {
    const isReason = required && !state.usable
    if (state.failure !== undefined && !isReason) {
      warnings.push(`token "${token}": ${state.failure.error.message}`)
    }
  }
  return { ready: reasons.length === 0, reasons, warnings }
}
