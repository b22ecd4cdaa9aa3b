import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import type { RequestHeaderPolicy } from './headers.ts'
import type { RouteMatch } from './routes.ts'
import type { Upstream } from './upstream.ts'

/** A route with everything decided that can be decided before a request comes. */
export type Route = {
  readonly name: string
  readonly match: RouteMatch
  readonly upstream: Upstream
  /** The path of the upstream that the rest is put behind; without a slash at its end. */
  readonly basePath: string
  readonly keepPath: boolean
  readonly headers: RequestHeaderPolicy
  /** Response headers, in lower case, that are nobody's business but ours. */
  readonly hiddenHeaders: ReadonlySet<string>
  /** Undefined for a route that only forwards. */
  readonly tokens: TokenSource | undefined
  /** The header's value for a token, such as `Bearer …`. */
  readonly tokenValue: (token: AccessToken) => string
  readonly replay: { readonly enabled: boolean; readonly maxBodyBytes: number }
  readonly timeouts: {
    readonly tokenMs: number
    readonly responseMs: number
    readonly idleMs: number
  }
  readonly metrics: RouteMetrics
}
