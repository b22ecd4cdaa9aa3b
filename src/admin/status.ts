import type { FrameCount } from '../observe/http2-metrics.ts'
import type { RouteFigures } from '../observe/route-history.ts'

/** The document of `/status`. Times are in ISO 8601, durations in seconds. */
export type Status = {
  readonly version: string
  readonly node: string
  /** When this document was made. */
  readonly at: string
  readonly startedAt: string
  readonly listeners: readonly ListenerStatus[]
  readonly ready: boolean
  readonly reasons: readonly string[]
  /** Problems that do not make the sidecar unready. */
  readonly warnings: readonly string[]
  readonly configuration: ConfigurationStatus
  readonly routes: readonly RouteStatus[]
  readonly tokens: readonly TokenStatus[]
  /** The hosts whose TLS is intercepted; empty without `intercept`. */
  readonly interception: readonly InterceptedHostStatus[]
  readonly protocols: ProtocolsStatus
  /** The latest kinds of failure, newest first. */
  readonly failures: readonly FailureStatus[]
}

/** The protocols of applications and upstreams. Counters count from the start of the process. */
export type ProtocolsStatus = {
  readonly client: ProtocolStatus
  readonly upstream: ProtocolStatus
}

export type ProtocolStatus = {
  /** Requests by protocol, such as `h2`; upstream, those with a response. */
  readonly requests: Readonly<Record<string, number>>
  readonly http2: {
    /** Open connections. */
    readonly connections: number
    /** Open streams. */
    readonly streams: number
    /** GOAWAY frames by direction and error code. */
    readonly goaways: readonly FrameCount[]
    /** RST_STREAM frames by direction and error code. */
    readonly resets: readonly FrameCount[]
  }
}

type ListenerStatus = {
  readonly name: string
  /** `http://127.0.0.1:8080`, or `unix:/run/app.sock`. */
  readonly url: string
}

export type ConfigurationStatus = {
  readonly version: string
  readonly loadedAt: string
  /** Empty unless the file has changed since and is not valid. */
  readonly problems: readonly string[]
}

export type RouteStatus = {
  readonly route: string
  readonly match: {
    readonly host?: string | undefined
    readonly path: string
    readonly methods?: readonly string[] | undefined
  }
  /** The listeners that serve it; undefined for all. */
  readonly listeners: readonly string[] | undefined
  readonly upstream: string
  readonly credential: string
  /** The token that it needs, by its name in `tokens`; undefined for a route without a credential. */
  readonly token: string | undefined
  readonly inFlight: number
  readonly lastMinute: RouteFigures
  /** The entry about it in `warnings`. */
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
  /** Whether a token issued after the first rejection was rejected as well. */
  readonly freshTokenRejected: boolean
  /** Responses with 401 or 403 since `firstAt`. */
  readonly count: number
  readonly firstAt: string
  readonly lastAt: string
  /** Whether the sidecar added a token to the last rejected request. */
  readonly hasToken: boolean
  /** Claims of the rejected token; never the token. */
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

export type InterceptedHostStatus = {
  /** As the routes name it. */
  readonly host: string
  /** TLS handshakes with applications, by outcome. */
  readonly handshakes: Readonly<Record<string, number>>
  /** The entry about it in `warnings`. */
  readonly warning: string | undefined
  readonly lastSuccessAt: string | undefined
  readonly lastFailure:
    | {
        readonly outcome: string
        readonly reason: string
        /** What to do about it. */
        readonly advice: string
        readonly at: string
      }
    | undefined
}

export type FailureStatus = {
  /** Undefined if no route matched. */
  readonly route: string | undefined
  readonly code: string
  readonly oauthError: string | undefined
  readonly reason: string
  /** What to do about it. */
  readonly advice: string
  /** Failures of this kind since the first. */
  readonly count: number
  readonly firstAt: string
  readonly lastAt: string
}

export type TokenStatus = {
  readonly token: string
  readonly credential: string
  /** The configured issuer; undefined if a token endpoint is configured instead. */
  readonly issuer: string | undefined
  /** Without its query; undefined if it is discovered. */
  readonly tokenEndpoint: string | undefined
  readonly clientId: string | undefined
  /** Parameters of the token request. */
  readonly requested: {
    readonly scopes: readonly string[]
    readonly audience: readonly string[]
    readonly resource: readonly string[]
  }
  /** Claims of the cached token, if it is a JWT. */
  readonly claims: ClaimsStatus | undefined
  readonly usable: boolean
  readonly requesting: boolean
  /** How many requests wait for it. */
  readonly waiting: number
  /** Of the last token; undefined if there has been none. */
  readonly scopes:
    | {
        readonly requested: readonly string[]
        /** As reported by the server; undefined if it reports none. */
        readonly granted: readonly string[] | undefined
        /** Requested but not granted. */
        readonly missing: readonly string[]
        /** Whether scopes were requested and the server does not report which it granted. */
        readonly unreported: boolean
      }
    | undefined
  readonly obtainedAt: string | undefined
  readonly ageSeconds: number | undefined
  readonly expiresAt: string | undefined
  readonly expiresInSeconds: number | undefined
  /** As issued. */
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
