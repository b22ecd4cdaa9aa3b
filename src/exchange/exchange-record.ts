import { randomUUID } from 'node:crypto'
import { FAILURES, type SidecarError, toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { IntegrationMode } from '../lib/integration-mode.ts'
import { protocolOf } from '../lib/protocol.ts'
import type { AccessLog } from '../observe/access-log.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { IncomingTrace, RequestSpan, Tracer } from '../observe/tracer.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import { fieldValues } from '../http/field-lines.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { TunnelReport } from '../http/tunnel.ts'

/** The data of one exchange, for the log, metrics and traces; completed while it runs. */
export type ExchangeRecord = {
  readonly method: string
  readonly isGrpc: boolean
  /** Undefined where the request could not be read. */
  readonly protocol: string | undefined
  mode: IntegrationMode | undefined
  readonly startedAtMs: number
  /** The name of the listener, if there are several. */
  readonly listener: string | undefined
  /** The name under which the caller has authenticated, if the listener requires it. */
  caller: string | undefined
  /** Of the request target. */
  scheme: 'http' | 'https'
  path: string
  query: string
  route: string | undefined
  metrics: RouteMetrics
  requestId: string | undefined
  /** Undefined where tracing is off. */
  readonly span: RequestSpan | undefined
  readonly traceId: string | undefined
  tokenWaitMs: number | undefined
  upstreamMs: number | undefined
  /** The token of the last attempt; undefined where the sidecar adds none. */
  token: AccessToken | undefined
  /** The status of a gRPC call, once it is known. */
  grpcStatus: number | undefined
  tunnel: TunnelReport | undefined
  failure: SidecarError | undefined
  /** The status and the duration of the response to the application. */
  status: number
  durationMs: number
}

/** Counts, traces and logs exchanges. */
export type Recorder = {
  begin(method: string, head?: RequestHead, mode?: IntegrationMode): ExchangeRecord
  /** Sets the mode of a request that was begun without one, and counts it. */
  assignMode(record: ExchangeRecord, mode: IntegrationMode): void
  /** Ends the recording of a `CONNECT` whose connection is intercepted: the requests inside of it are recorded. */
  intercepted(): void
  /** Attributes the exchange to a route. */
  assignRoute(
    record: ExchangeRecord,
    route: { readonly name: string; readonly metrics: RouteMetrics },
  ): void
  /** Records a failure, and returns it. Sets `requestId` if there is none. */
  fail(record: ExchangeRecord, thrown: unknown): SidecarError
  /** Records that the request has been completed by switching to a tunnel. */
  tunnelled(record: ExchangeRecord, status: number): void
  /** `status` is that of the response to the application. */
  end(record: ExchangeRecord, status: number): void
  /** Resolves when every exchange that was begun has ended. */
  whenIdle(): Promise<void>
}

export type RecorderOptions = {
  /** The metrics of exchanges without a route. */
  readonly unmatched: RouteMetrics
  /** The name of the listener, for the log; undefined if there is only one. */
  readonly listener: string | undefined
  /** That of requests whose target is a path. */
  readonly scheme: 'http' | 'https'
  readonly countRequest: (protocol: string, mode: IntegrationMode) => void
  readonly accessLog: AccessLog
  readonly tracer: Tracer | undefined
  readonly clock: Clock
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { unmatched, listener, scheme, countRequest, accessLog, tracer, clock } = options
  const idle = Promise.withResolvers<void>()
  let running = 0
  let isAwaited = false
  const countMode = (protocol: string | undefined, mode: IntegrationMode | undefined): void => {
    if (protocol !== undefined && mode !== undefined) countRequest(protocol, mode)
  }
  const release = (): void => {
    running -= 1
    if (isAwaited && running === 0) idle.resolve()
  }
  const elapsedMs = ({ startedAtMs }: ExchangeRecord): number => clock.monotonicMs() - startedAtMs
  return {
    begin(method, head, mode) {
      const span = tracer?.request(method, incomingTrace(head?.fields ?? []))
      running += 1
      const protocol = head && protocolOf(head.version)
      countMode(protocol, mode)
      return {
        method,
        isGrpc: head?.isGrpc === true,
        protocol,
        mode,
        startedAtMs: clock.monotonicMs(),
        listener,
        caller: undefined,
        scheme,
        path: '',
        query: '',
        route: undefined,
        metrics: unmatched,
        requestId: head?.requestId,
        span,
        traceId: span?.traceId,
        tokenWaitMs: undefined,
        upstreamMs: undefined,
        token: undefined,
        grpcStatus: undefined,
        tunnel: undefined,
        failure: undefined,
        status: 0,
        durationMs: 0,
      }
    },

    assignMode(record, mode) {
      record.mode = mode
      countMode(record.protocol, mode)
    },

    intercepted: release,

    assignRoute(record, { name, metrics }) {
      record.route = name
      record.metrics = metrics
      metrics.started()
    },

    fail(record, thrown) {
      const failure = toSidecarError(thrown)
      record.failure = failure
      record.requestId ??= randomUUID()
      if (record.metrics === unmatched) unmatched.started()
      record.metrics.failed(failure.code)
      if (record.isGrpc) record.grpcStatus = FAILURES[failure.code].grpcStatus
      return failure
    },

    tunnelled(record, status) {
      record.metrics.finished(record.method, status, elapsedMs(record))
      record.metrics.tunnelOpened()
      record.span?.end({ ...record, status })
    },

    end(record, status) {
      const { method, metrics, tunnel, span } = record
      record.status = status
      record.durationMs = elapsedMs(record)
      if (tunnel === undefined) {
        metrics.finished(method, status, record.durationMs)
        span?.end(record)
      } else metrics.tunnelClosed(tunnel.bytesToUpstream, tunnel.bytesToClient)
      if (record.grpcStatus !== undefined) metrics.grpcFinished(record.grpcStatus)
      accessLog(record)
      release()
    },

    async whenIdle() {
      isAwaited = true
      if (running === 0) idle.resolve()
      await idle.promise
    },
  }
}

function incomingTrace(fields: readonly string[]): IncomingTrace {
  return {
    traceparent: fieldValues(fields, 'traceparent'),
    tracestate: fieldValues(fields, 'tracestate'),
  }
}
