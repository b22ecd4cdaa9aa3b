import type { TokenState } from '../tokens/token-source.ts'
import { rejectionWarning, type RouteRejections } from './read-rejections.ts'

export type Readiness = {
  readonly ready: boolean
  /** Why the sidecar is not ready; empty if it is. */
  readonly reasons: readonly string[]
  /** Problems that do not make the sidecar unready. */
  readonly warnings: readonly string[]
}

export type ReadinessToken = {
  readonly token: string
  /** Whether readiness depends on it. */
  readonly required: boolean
  readonly state: TokenState
}

/**
 * Ready means that every required token is usable, or has expired only because no request needs it. Tokens
 * that an API rejects do not matter: other routes work, and a restart would not help.
 */
export function readinessOf(
  tokens: readonly ReadinessToken[],
  routes: readonly RouteRejections[],
  interception: readonly { readonly warning: string | undefined }[],
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
  warnings.push(...interception.flatMap(({ warning }) => warning ?? []))
  for (const { token, required, state } of tokens) {
    const isReason = required && !state.usable
    if (state.failure !== undefined && !isReason) {
      warnings.push(`token "${token}": ${state.failure.error.message}`)
    }
  }
  return { ready: reasons.length === 0, reasons, warnings }
}

/** Whether the authorization server refuses to issue a required token, so that waiting is of little use. */
export function isRejected(tokens: readonly ReadinessToken[]): boolean {
  return tokens.some(
    ({ required, state }) =>
      required && !state.usable && state.failure?.error.code === 'token_rejected',
  )
}
