import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { RouteDestination } from '../routing/route-table.ts'
import type { RejectionRecord } from '../tokens/rejection-record.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import type { ExchangeRoundTrip } from './exchange-request.ts'
import type { RequestFieldPolicy } from './request-fields.ts'
import type { ResponseFieldPolicy } from './response-fields.ts'

/** A route of the configuration, compiled for the request path. */
export type Route = RouteDestination & {
  readonly name: string
  /** Scheme, host and port of the upstream. */
  readonly origin: string
  readonly fields: RequestFieldPolicy
  readonly responseFields: ResponseFieldPolicy
  /** Undefined for a route without a credential. */
  readonly tokens: TokenSource | undefined
  /** Sends a request to the upstream through the wrappers of the route. */
  readonly roundTrip: ExchangeRoundTrip
  /** The largest request body that is kept for a replay. */
  readonly maxReplayBytes: number
  readonly timeouts: {
    readonly tokenMs: number
    readonly upgradedMs: number
  }
  readonly metrics: RouteMetrics
  readonly rejections: RejectionRecord
}
