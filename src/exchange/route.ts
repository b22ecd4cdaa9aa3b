import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import type { RequestHeaderPolicy } from './request-fields.ts'
import type { ResponseHeaderPolicy } from './response-fields.ts'
import type { RouteDestination } from '../routing/route-table.ts'
import type { Upstream } from '../outbound/upstream.ts'

/** A route with everything decided that can be decided before a request comes. */
export type Route = RouteDestination & {
  readonly name: string
  readonly upstream: Upstream
  readonly headers: RequestHeaderPolicy
  readonly answerHeaders: ResponseHeaderPolicy
  /** Undefined for a route that only forwards. */
  readonly tokens: TokenSource | undefined
  /** The header's value for a token, such as `Bearer …`. */
  readonly tokenValue: (token: AccessToken) => string
  /** Whether to send a request once more that was lost with a connection, where that does no harm. */
  readonly retry: boolean
  readonly replay: { readonly enabled: boolean; readonly maxBodyBytes: number }
  readonly timeouts: {
    readonly tokenMs: number
    readonly responseMs: number
    readonly idleMs: number
    readonly upgradedMs: number
  }
  readonly metrics: RouteMetrics
}
