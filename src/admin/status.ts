import { oauthErrorAdvice } from '../tokens/oauth-error.ts'
import type { TokenState } from '../tokens/token-source.ts'

/** What `/status` shows: for people and scripts, so times are ISO 8601 and durations seconds. */
export type Status = {
  readonly version: string
  readonly node: string
  readonly startedAt: string
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly configuration: ConfigurationStatus
  readonly routes: readonly RouteStatus[]
  readonly tokens: readonly TokenStatus[]
}

/** Which configuration is in use, and what is wrong with the file as it is now. */
export type ConfigurationState = {
  readonly version: string
  readonly loadedAtMs: number
  readonly problems: readonly string[]
}

type ConfigurationStatus = {
  readonly version: string
  readonly loadedAt: string
  /** Empty unless the file has changed since, and can't be used. */
  readonly problems: readonly string[]
}

export function configurationStatus({
  version,
  loadedAtMs,
  problems,
}: ConfigurationState): ConfigurationStatus {
  return { version, loadedAt: new Date(loadedAtMs).toISOString(), problems }
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
  /** How many requests wait for it now. */
  readonly waiting: number
  readonly obtainedAt: string | undefined
  readonly ageSeconds: number | undefined
  readonly expiresAt: string | undefined
  readonly expiresInSeconds: number | undefined
  readonly failure:
    | {
        readonly code: string
        readonly oauthError: string | undefined
        readonly reason: string
        /** What to do about it. */
        readonly advice: string | undefined
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
  const { usable, requesting, waiting, obtainedAtMs, expiresAtMs, failure } = source.state()
  return {
    token,
    credential,
    usable,
    requesting,
    waiting,
    obtainedAt: isoTime(obtainedAtMs),
    ageSeconds: obtainedAtMs && Math.round((nowWallMs - obtainedAtMs) / 1000),
    expiresAt: isoTime(expiresAtMs),
    expiresInSeconds: expiresAtMs && Math.max(0, Math.round((expiresAtMs - nowWallMs) / 1000)),
    failure: failure && {
      code: failure.error.code,
      oauthError: failure.error.oauthError,
      reason: failure.error.message,
      advice: oauthErrorAdvice(failure.error.oauthError),
      nextAttemptAt: new Date(failure.nextAttemptAtMs).toISOString(),
    },
  }
}

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}
