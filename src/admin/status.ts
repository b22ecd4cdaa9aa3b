import type { RouteFigures } from '../observe/route-history.ts'

/** What `/status` shows: for people and scripts, so times are ISO 8601 and durations seconds. */
export type Status = {
  readonly version: string
  readonly node: string
  /** When this was true. */
  readonly at: string
  readonly startedAt: string
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly configuration: ConfigurationStatus
  readonly routes: readonly RouteStatus[]
  readonly tokens: readonly TokenStatus[]
  /** The last kinds of failure, the newest first. */
  readonly failures: readonly FailureStatus[]
}

export type ConfigurationStatus = {
  readonly version: string
  readonly loadedAt: string
  /** Empty unless the file has changed since, and can't be used. */
  readonly problems: readonly string[]
}

export type RouteStatus = {
  readonly route: string
  readonly match: {
    readonly host?: string | undefined
    readonly path: string
    readonly methods?: readonly string[] | undefined
  }
  readonly upstream: string
  readonly credential: string
  /** The token that it needs, as `tokens` names it; undefined for a route that only forwards. */
  readonly token: string | undefined
  readonly inFlight: number
  readonly lastMinute: RouteFigures
}

export type FailureStatus = {
  /** Undefined where no route claimed the request. */
  readonly route: string | undefined
  readonly code: string
  readonly oauthError: string | undefined
  readonly reason: string
  /** What to do about it. */
  readonly advice: string
  /** How many of this kind came since the first. */
  readonly count: number
  readonly firstAt: string
  readonly lastAt: string
}

export type TokenStatus = {
  readonly token: string
  readonly credential: string
  readonly usable: boolean
  readonly requesting: boolean
  /** How many requests wait for it now. */
  readonly waiting: number
  /** Those of the last token; undefined while there is none. */
  readonly scopes:
    | {
        readonly requested: readonly string[]
        /** As the server tells them; undefined where it does not. */
        readonly granted: readonly string[] | undefined
        /** Requested, and not granted. */
        readonly missing: readonly string[]
        /** Whether scopes were requested, and the server does not tell which of them it granted. */
        readonly unreported: boolean
      }
    | undefined
  readonly obtainedAt: string | undefined
  readonly ageSeconds: number | undefined
  readonly expiresAt: string | undefined
  readonly expiresInSeconds: number | undefined
  /** What it was issued with. */
  readonly lifetimeSeconds: number | undefined
  readonly failure:
    | {
        readonly code: string
        readonly oauthError: string | undefined
        readonly reason: string
        /** What to do about it. */
        readonly advice: string
        readonly nextAttemptAt: string
      }
    | undefined
}
