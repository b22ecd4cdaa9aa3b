import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { RouteDestination } from '../routing/route-table.ts'
import type { RejectionRecord } from '../tokens/rejection-record.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import type { ExchangeRoundTrip } from './exchange-request.ts'
import type { RequestFieldPolicy } from './request-fields.ts'
import type { ResponseFieldPolicy } from './response-fields.ts'

/** A route with everything decided that can be decided before a request arrives. */
export type Route = RouteDestination & {
  readonly name: string
  /** Scheme, host and port of the upstream. */
  readonly origin: string
  readonly fields: RequestFieldPolicy
  readonly responseFields: ResponseFieldPolicy
  /** Undefined for a route without a credential. */
  readonly tokens: TokenSource | undefined
  /** Leads to the upstream. */
  readonly roundTrip: ExchangeRoundTrip
  /** How much of a request body is kept for a replay. */
  readonly maxReplayBytes: number
  readonly timeouts: {
    readonly tokenMs: number
    readonly upgradedMs: number
  }
  readonly metrics: RouteMetrics
  readonly rejections: RejectionRecord
}
