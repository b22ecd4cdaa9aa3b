import type { SidecarError } from '../errors.ts'
import type { UpstreamRequest, UpstreamResponse } from '../http/round-trip.ts'
import type { RequestSpan } from '../observe/tracer.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/** A request on its way through the wrappers of a route, which lead to the upstream. */
export type ExchangeRequest = UpstreamRequest & {
  /** Undefined where no token is added. */
  readonly token: AccessToken | undefined
  /** Whether the response carries `grpc-status`. */
  readonly isGrpc: boolean
  /** The target URI without query (RFC 9449 section 4.2). */
  readonly url: string
  /** Undefined where tracing is off. */
  readonly span: RequestSpan | undefined
  /** Called with the time that an attempt waited for the head of its response. */
  readonly onResponse: (waitedMs: number) => void
  /** Called with the token of another attempt after a rejection. */
  readonly onReplay: (token: AccessToken) => void
  /** Ends the exchange. */
  readonly abort: (reason: SidecarError) => void
}

/** A `RoundTrip` within an exchange: each wrapper takes one and returns one. */
export type ExchangeRoundTrip = (
  request: ExchangeRequest,
  signal: AbortSignalLike,
) => Promise<UpstreamResponse>
