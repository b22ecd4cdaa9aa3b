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
  /** What needs attention although it does not make the sidecar unready. */
  readonly warnings: readonly string[]
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
  /** Why it needs attention, as in `warnings`; undefined where it does not. */
  readonly warning: string | undefined
  /** The last series of 401 and 403 responses; undefined if there has been none. */
  readonly rejection: RejectionStatus | undefined
}

export type RejectionStatus = {
  readonly status: 401 | 403
  /** The error code of the challenge in `WWW-Authenticate`, if it is a registered one. */
  readonly challenge: string | undefined
  /** Whether no request has succeeded since `firstAt`. */
  readonly everyRequestRejected: boolean
  /** Whether a token that was issued after the first rejection was rejected, too. */
  readonly freshTokenRejected: boolean
  /** Responses with 401 or 403 since `firstAt`. */
  readonly count: number
  readonly firstAt: string
  readonly lastAt: string
  /** Whether the sidecar added a token to the last rejected request. */
  readonly hasToken: boolean
  /** What the rejected token says about itself; never the token. */
  readonly token: (ClaimsStatus & { readonly format: 'JWT' | 'opaque' }) | undefined
  /** What to do about it. */
  readonly advice: string
}

type ClaimsStatus = {
  readonly issuer: string | undefined
  readonly audience: readonly string[]
  readonly scopes: readonly string[]
  readonly expiresAt: string | undefined
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
  /** The issuer of the configuration; undefined where it names a token endpoint instead. */
  readonly issuer: string | undefined
  /** Without its query; undefined where it is discovered. */
  readonly tokenEndpoint: string | undefined
  readonly clientId: string | undefined
  /** What the token request asks for. */
  readonly requested: {
    readonly scopes: readonly string[]
    readonly audience: readonly string[]
    readonly resource: readonly string[]
  }
  /** What the token in hand says about itself, where it is a JWT. */
  readonly claims: ClaimsStatus | undefined
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
