import { randomUUID } from 'node:crypto'
import { type SidecarError, toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { protocolOf } from '../lib/protocol.ts'
import type { AccessLog } from '../observe/access-log.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { IncomingTrace, RequestSpan, Tracer } from '../observe/tracer.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import { fieldValues } from '../http/field-lines.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { TunnelReport } from '../http/tunnel.ts'

/** What becomes known of one exchange while it runs. */
export type ExchangeRecord = {
  readonly method: string
  /** Undefined where the request could not be read. */
  readonly protocol: string | undefined
  readonly startedAtMs: number
  path: string
  query: string
  route: string | undefined
  metrics: RouteMetrics
  requestId: string | undefined
  /** Where tracing is on. */
  readonly span: RequestSpan | undefined
  readonly traceId: string | undefined
  tokenWaitMs: number | undefined
  upstreamMs: number | undefined
  /** That of the last attempt; undefined where the sidecar adds none. */
  token: AccessToken | undefined
  tunnel: TunnelReport | undefined
  failure: SidecarError | undefined
  /** What the application got, and after how long. */
  status: number
  durationMs: number
}

/** Counts, traces and logs exchanges, whichever way they take. */
export type Recorder = {
  begin(method: string, head?: RequestHead): ExchangeRecord
  /** From now on it counts as the route's. */
  claim(
    record: ExchangeRecord,
    route: { readonly name: string; readonly metrics: RouteMetrics },
  ): void
  /** Notes why it failed. Returns the failure, with which `requestId` is known, too. */
  fail(record: ExchangeRecord, thrown: unknown): SidecarError
  /** The request is over, and its connection has become a tunnel. */
  tunnelled(record: ExchangeRecord, status: number): void
  /** `status` is what the application got. */
  end(record: ExchangeRecord, status: number): void
  /** Resolves as soon as everything that was begun has ended. */
  whenIdle(): Promise<void>
}

export type RecorderOptions = {
  /** Counts what no route claims. */
  readonly unmatched: RouteMetrics
  readonly countProtocol: (protocol: string) => void
  readonly accessLog: AccessLog
  readonly tracer: Tracer | undefined
  readonly clock: Clock
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { unmatched, countProtocol, accessLog, tracer, clock } = options
  const idle = Promise.withResolvers<void>()
  let running = 0
  let isAwaited = false
  const elapsedMs = ({ startedAtMs }: ExchangeRecord): number => clock.monotonicMs() - startedAtMs
  return {
    begin(method, head) {
      const span = tracer?.request(method, incomingTrace(head?.fields ?? []))
      running += 1
      const protocol = head && protocolOf(head.version)
      if (protocol !== undefined) countProtocol(protocol)
      return {
        method,
        protocol,
        startedAtMs: clock.monotonicMs(),
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
        tunnel: undefined,
        failure: undefined,
        status: 0,
        durationMs: 0,
      }
    },

    claim(record, { name, metrics }) {
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
      accessLog(record)
      running -= 1
      if (isAwaited && running === 0) idle.resolve()
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
