import type { SidecarError } from '../errors.ts'

/**
 * What the rest of the program knows of tracing: where something begins, and how it ended. Where
 * tracing is off there is no tracer, so there are no spans either.
 */
export type Tracer = TokenRequestTrace & {
  /** A request of the application, which may be part of a trace already. */
  readonly request: (method: string, incoming: IncomingTrace) => RequestSpan
  /** Sends what is left, for no longer than `limitMs`. Returns whether it is all gone. */
  readonly close: (limitMs: number) => Promise<boolean>
}

/** On whose behalf a token is asked for: of a request that waits for it, or of nobody in particular. */
export type TokenRequestTrace = {
  readonly tokenRequest: (credential: string, server: URL) => Span
}

/** What the application says of its trace (W3C Trace Context section 3), as received. */
export type IncomingTrace = {
  readonly traceparent: readonly string[]
  readonly tracestate: readonly string[]
}

export type RequestSpan = {
  readonly traceId: string
  /** Whether it goes on with a trace of the application's, so that its `tracestate` still holds. */
  readonly isContinued: boolean
  readonly tokenWait: () => TokenWaitSpan
  /** One time of sending it to the upstream. */
  readonly attempt: (method: string, url: string) => AttemptSpan
  readonly end: (request: FinishedRequest) => void
}

export type Span = { readonly end: (outcome: Outcome) => void }

export type TokenWaitSpan = Span & TokenRequestTrace

/** `traceparent` tells the upstream what its part of the trace belongs to. */
type AttemptSpan = Span & { readonly traceparent: string }

type Outcome = {
  /** That of the answer, where one came. */
  readonly status?: number
  readonly failure?: SidecarError
}

type FinishedRequest = {
  readonly method: string
  /** Without the query, which holds what nobody wants in a trace. */
  readonly path: string
  readonly route: string | undefined
  readonly protocol: string | undefined
  readonly status: number
  readonly failure: SidecarError | undefined
}
