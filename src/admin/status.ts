import type { TokenState } from '../tokens/token-source.ts'

/** What `/status` shows: for people and scripts, so times are ISO 8601 and durations seconds. */
export type Status = {
  readonly version: string
  readonly node: string
  readonly startedAt: string
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly routes: readonly RouteStatus[]
  readonly tokens: readonly TokenStatus[]
}

type RouteStatus = {
  readonly route: string
  readonly match: {
    readonly host?: string | undefined
    readonly path: string
    readonly methods?: readonly string[] | undefined
  }
  readonly upstream: string
  readonly credential: string
  readonly inFlight: number
}

export type TokenStatus = {
  readonly token: string
  readonly credential: string
  readonly usable: boolean
  readonly requesting: boolean
  readonly obtainedAt: string | undefined
  readonly expiresAt: string | undefined
  readonly expiresInSeconds: number | undefined
  readonly failure:
    | {
        readonly code: string
        readonly oauthError: string | undefined
        readonly reason: string
        readonly nextAttemptAt: string
      }
    | undefined
}

export type ObservedToken = {
  readonly token: string
  readonly credential: string
  readonly source: { readonly state: () => TokenState }
}

export function tokenStatus(observed: ObservedToken, nowWallMs: number): TokenStatus {
  const { token, credential, source } = observed
  const { usable, requesting, obtainedAtMs, expiresAtMs, failure } = source.state()
  return {
    token,
    credential,
    usable,
    requesting,
    obtainedAt: isoTime(obtainedAtMs),
    expiresAt: isoTime(expiresAtMs),
    expiresInSeconds: expiresAtMs && Math.max(0, Math.round((expiresAtMs - nowWallMs) / 1000)),
    failure: failure && {
      code: failure.error.code,
      oauthError: failure.error.oauthError,
      reason: failure.error.message,
      nextAttemptAt: new Date(failure.nextAttemptAtMs).toISOString(),
    },
  }
}

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}
