import type { SidecarError } from '../errors.ts'

/**
 * The interface of tracing for the rest of the program. If tracing is off, there is no tracer and no span.
 */
export type Tracer = TokenRequestTrace & {
  /** A client request, which may belong to a trace already. */
  readonly request: (method: string, incoming: IncomingTrace) => RequestSpan
  /** Exports the remaining spans, for at most `limitMs`. Returns whether all were exported or dropped. */
  readonly close: (limitMs: number) => Promise<boolean>
}

/** The parent of a token request: a client request that waits for it, or none. */
export type TokenRequestTrace = {
  readonly tokenRequest: (credential: string, server: URL) => Span
}

/** The trace context of the client (W3C Trace Context section 3), as received. */
export type IncomingTrace = {
  readonly traceparent: readonly string[]
  readonly tracestate: readonly string[]
}

export type RequestSpan = {
  readonly traceId: string
  /** Whether it continues the client's trace, so that `tracestate` is still valid. */
  readonly isContinued: boolean
  readonly tokenWait: () => TokenWaitSpan
  /** One attempt to send it to the upstream. */
  readonly attempt: (method: string, url: string) => AttemptSpan
  readonly end: (request: FinishedRequest) => void
}

export type Span = { readonly end: (outcome: Outcome) => void }

export type TokenWaitSpan = Span & TokenRequestTrace

/** `traceparent` is the field value for the upstream. */
type AttemptSpan = Span & { readonly traceparent: string }

type Outcome = {
  /** Of the response, if there was one. */
  readonly status?: number
  /** The version of HTTP of the response, as `Via` names it. */
  readonly version?: string
  readonly failure?: SidecarError
}

type FinishedRequest = {
  readonly method: string
  readonly scheme: string
  /** Without the query, which may contain personal data. */
  readonly path: string
  readonly route: string | undefined
  readonly protocol: string | undefined
  readonly status: number
  /** Of a gRPC call, if it has one. */
  readonly grpcStatus: number | undefined
  readonly failure: SidecarError | undefined
}
