import { FAILURE_CODES, type FailureCode } from '../errors.ts'
import { protocolOf } from '../lib/protocol.ts'
import { createHistogram, type Histogram, BUCKET_COUNT } from './histogram.ts'

/** The counters of one route: plain numbers, so that a request needs no lookup and no formatting. */
export type RouteMetrics = {
  started(): void
  finished(method: string, status: number, durationMs: number): void
  failed(code: FailureCode): void
  tokenWaited(durationMs: number): void
  /** A request was replayed with another token. */
  replayed(): void
  /** A request was retried, because its connection was stale. */
  retried(): void
  /** A connection was upgraded, or a CONNECT tunnel opened; the request has ended. */
  tunnelOpened(): void
  tunnelClosed(bytesToUpstream: number, bytesToClient: number): void
  /** From sending the request to receiving the response head, which has this version of HTTP. */
  upstreamResponded(durationMs: number, version: string): void
  /** The upstream did not authorize the request. */
  notAuthorized(status: 401 | 403): void
  /** `status` is that of the call, from 0 to 16. */
  grpcFinished(status: number): void
  read(): RouteReading
  readonly inFlight: () => number
  /** Writes `TALLY` counts: responses with a status of 5xx, 401, 403, then all responses by duration. */
  readonly tally: (into: Uint32Array, at: number) => void
}

type RouteReading = {
  readonly inFlight: number
  readonly requests: readonly { method: string; status: string; count: number }[]
  readonly failures: readonly { code: FailureCode; count: number }[]
  readonly grpcCalls: readonly { status: string; count: number }[]
  /** Responses of the upstream, by protocol. */
  readonly protocols: ReadonlyMap<string, number>
  readonly unauthorized: number
  readonly forbidden: number
  readonly replays: number
  readonly retries: number
  readonly tunnels: {
    readonly open: number
    readonly opened: number
    readonly bytesToUpstream: number
    readonly bytesToClient: number
  }
  readonly duration: Histogram
  readonly tokenWait: Histogram
  readonly upstream: Histogram
}

/** The values of the label `method`, which a client must not be able to extend. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other'] as const
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const
/** By code (grpc/grpc, doc/statuscodes.md). */
const GRPC_STATUSES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const
const METHOD_INDEX: ReadonlyMap<string, number> = new Map(
  METHODS.map((method, index) => [method, index]),
)
const OTHER = METHODS.length - 1
const SERVER_ERROR = STATUS_CLASSES.indexOf('5xx')

/** The index of the first count by duration in a tally. */
export const TALLY_DURATIONS = 3
/** The number of counts that rate, latency and errors between two moments need. */
export const TALLY = TALLY_DURATIONS + BUCKET_COUNT

export function createRouteMetrics(): RouteMetrics {
  const requests = new Float64Array(METHODS.length * STATUS_CLASSES.length)
  const failures = new Map<FailureCode, number>()
  const grpcCalls = new Float64Array(GRPC_STATUSES.length)
  const protocols = new Map<string, number>()
  const duration = createHistogram()
  const tokenWait = createHistogram()
  const upstream = createHistogram()
  let inFlight = 0
  let unauthorized = 0
  let forbidden = 0
  let replays = 0
  let retries = 0
  const tunnels = { open: 0, opened: 0, bytesToUpstream: 0, bytesToClient: 0 }
  return {
    started() {
      inFlight += 1
    },
    finished(method, status, durationMs) {
      inFlight -= 1
      const row = METHOD_INDEX.get(method) ?? OTHER
      const column = Math.min(4, Math.max(0, Math.floor(status / 100) - 1))
      const index = row * STATUS_CLASSES.length + column
      requests[index] = (requests[index] ?? 0) + 1
      duration.observe(durationMs)
    },
    failed(code) {
      failures.set(code, (failures.get(code) ?? 0) + 1)
    },
    tokenWaited: (durationMs) => tokenWait.observe(durationMs),
    replayed() {
      replays += 1
    },
    retried() {
      retries += 1
    },
    tunnelOpened() {
      tunnels.open += 1
      tunnels.opened += 1
    },
    tunnelClosed(bytesToUpstream, bytesToClient) {
      tunnels.open -= 1
      tunnels.bytesToUpstream += bytesToUpstream
      tunnels.bytesToClient += bytesToClient
    },
    upstreamResponded(durationMs, version) {
      const protocol = protocolOf(version)
      protocols.set(protocol, (protocols.get(protocol) ?? 0) + 1)
      upstream.observe(durationMs)
    },
    notAuthorized(status) {
      if (status === 401) unauthorized += 1
      else forbidden += 1
    },
    grpcFinished(status) {
      grpcCalls[status] = (grpcCalls[status] ?? 0) + 1
    },
    inFlight: () => inFlight,
    tally(into, at) {
      let errors = 0
      for (let row = 0; row < METHODS.length; row += 1) {
        errors += requests[row * STATUS_CLASSES.length + SERVER_ERROR] ?? 0
      }
      into[at] = errors
      into[at + 1] = unauthorized
      into[at + 2] = forbidden
      duration.copyTo(into, at + TALLY_DURATIONS)
    },
    read: () => ({
      inFlight,
      protocols,
      unauthorized,
      forbidden,
      replays,
      retries,
      tunnels: { ...tunnels },
      duration,
      tokenWait,
      upstream,
      // Every failure code from the start, so that rate() sees the first increase.
      requests: METHODS.flatMap((method, row) =>
        STATUS_CLASSES.map((status, column) => ({
          method,
          status,
          count: requests[row * STATUS_CLASSES.length + column] ?? 0,
        })),
      ).filter(({ count }) => count > 0),
      grpcCalls: GRPC_STATUSES.map((status, code) => ({
        status,
        count: grpcCalls[code] ?? 0,
      })).filter(({ count }) => count > 0),
      failures: FAILURE_CODES.map((code) => ({ code, count: failures.get(code) ?? 0 })),
    }),
  }
}
