import type { Duplex } from 'node:stream'
import type { CompleteBody, RequestBody } from './request-body.ts'
import type { ResponseWriter } from './response-writer.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/**
 * Sends one request. Resolves with the head of the final response, possibly while the request body is
 * still being sent; rejects with `upstream_*`, or with the reason of `signal` when that aborts.
 */
export type RoundTrip<Request extends UpstreamRequest = UpstreamRequest> = (
  request: Request,
  signal: AbortSignalLike,
) => Promise<UpstreamResponse>

export type UpstreamRequest = {
  readonly method: string
  /** The path and the query (RFC 9112 section 3.2.1). */
  readonly path: string
  /** Names and values, alternating; no connection-specific fields. */
  readonly fields: readonly string[]
  /** A body without `Content-Length` is sent in chunks over HTTP/1.1. */
  readonly body: RequestBody | CompleteBody | null
  /** Whether the client accepts trailer fields in the response (RFC 9110 section 10.1.4: `TE`). */
  readonly acceptsTrailers: boolean
  /** The protocols to switch to (RFC 9110 section 7.8). */
  readonly upgrade: string | undefined
  /** Whether to use a new connection, which is closed afterwards. */
  readonly dedicated: boolean
  /** Whether it is sent again, on another connection, if the end of its response cannot be verified. */
  readonly repeatable: boolean
  /** Called when the request has a connection. */
  readonly onSend: () => void
  /** Called for each interim response but 100 (RFC 9110 section 15.2), a bounded number of times. */
  readonly onInterim: ResponseWriter['inform']
}

/** The head of a final response. Octets of the phrase and the fields are characters (Latin-1). */
export type ResponseHead = {
  readonly status: number
  readonly phrase: string
  /** The version of HTTP as `Via` names it (RFC 9110 section 7.6.3), such as "1.1". */
  readonly version: string
  /** Names and values, alternating, as received. */
  readonly fields: readonly string[]
  /** The announced length, whether or not a body follows; NaN where there is none. */
  readonly length: number
}

export type UpstreamResponse = ResponseHead & {
  /**
   * Streams the body to `writer` with backpressure, and ends it. Resolves when the client's connection
   * has accepted everything; undefined if it has already, which spares most responses a promise. May be
   * called once, and not after `discard`.
   */
  readonly pipeTo: (writer: ResponseWriter) => Promise<void> | undefined
  /** Drains a small remainder to keep the connection reusable; closes the connection otherwise. */
  readonly discard: () => void
  /** After a 101 (RFC 9110 section 15.2.2): the connection, paused. */
  readonly tunnel: Duplex | undefined
}
