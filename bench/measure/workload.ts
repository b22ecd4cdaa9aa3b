import type { Needs } from '../contenders/contender.ts'
import { usedPrefix } from '../contenders/route-paths.ts'
import {
  type ResponseKind,
  RESPONSES,
  patternOf,
  PROBE_PATH,
  UPLOAD_PATH,
} from '../stage/responses.ts'
import { grpcMessage } from '../stage/grpc-message.ts'

/** The requests to a contender and the configuration that they need. */
export type Workload = Needs & {
  readonly method: 'GET' | 'POST'
  readonly bodyBytes: number
  readonly response: ResponseKind
  /** The number of header fields that the application sends, including Host. */
  readonly headers: number
  readonly connections: number
  /** Concurrent requests on each HTTP/2 connection. */
  readonly streams: number
  /** A fixed request rate instead of full load. */
  readonly perSecond?: number
}

export const SMALL_GET: Workload = {
  method: 'GET',
  bodyBytes: 0,
  response: 'small',
  headers: 3,
  connections: 32,
  routes: 1,
  accessLog: false,
  upstreamTls: false,
  http2: 'neither',
  streams: 1,
}

export function requestPath({ routes, bodyBytes, response }: Workload): string {
  const isUpload = bodyBytes > 0 && !isGrpc({ response })
  const rest = isUpload ? `${UPLOAD_PATH}/${bodyBytes}` : RESPONSES[response].path
  return `${usedPrefix(routes)}/${rest}`
}

export function isGrpc({ response }: Pick<Workload, 'response'>): boolean {
  return RESPONSES[response].messages > 0
}

export function requestBody(workload: Pick<Workload, 'response' | 'bodyBytes'>): Buffer {
  const content = patternOf(workload.bodyBytes)
  return isGrpc(workload) ? grpcMessage(content) : content
}

export function probePath({ routes }: Workload): string {
  return `${usedPrefix(routes)}/${PROBE_PATH}`
}

/** The header fields except Host, which is derived from the URL. */
export function requestHeaders(workload: Workload): [name: string, value: string][] {
  const { headers } = workload
  const common: [string, string][] = [
    ['User-Agent', 'legacy-billing/1.0'],
    ['Accept', 'application/json'],
  ]
  const extra = Array.from({ length: Math.max(0, headers - 3) }, (_, index): [string, string] => [
    `X-Field-${index + 1}`,
    `the value of field ${index + 1}`,
  ])
  const grpc: [string, string][] = isGrpc(workload)
    ? [
        ['Content-Type', 'application/grpc'],
        ['TE', 'trailers'],
      ]
    : []
  return [...common, ...grpc, ...extra]
}
