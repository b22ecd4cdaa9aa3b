import type { Needs } from '../contenders/contender.ts'
import { usedPrefix } from '../contenders/route-paths.ts'
import { type Answer, ANSWERS, patternOf, PROBE_PATH, UPLOAD_PATH } from '../stage/answers.ts'
import { grpcMessage } from '../stage/grpc-message.ts'

/** What is asked of a contender, and how it is set up for that. */
export type Workload = Needs & {
  readonly method: 'GET' | 'POST'
  readonly bodyBytes: number
  readonly answer: Answer
  /** How many header fields the application sends, Host included. */
  readonly headers: number
  readonly connections: number
  /** Requests at once on each connection of HTTP/2. */
  readonly streams: number
  /** A fixed rate, instead of as much as goes. */
  readonly perSecond?: number
}

export const SMALL_GET: Workload = {
  method: 'GET',
  bodyBytes: 0,
  answer: 'small',
  headers: 3,
  connections: 32,
  routes: 1,
  accessLog: false,
  upstreamTls: false,
  http2: 'neither',
  streams: 1,
}

export function requestPath({ routes, bodyBytes, answer }: Workload): string {
  const isUpload = bodyBytes > 0 && !isGrpc({ answer })
  const rest = isUpload ? `${UPLOAD_PATH}/${bodyBytes}` : ANSWERS[answer].path
  return `${usedPrefix(routes)}/${rest}`
}

export function isGrpc({ answer }: Pick<Workload, 'answer'>): boolean {
  return ANSWERS[answer].messages > 0
}

export function requestBody(workload: Pick<Workload, 'answer' | 'bodyBytes'>): Buffer {
  const content = patternOf(workload.bodyBytes)
  return isGrpc(workload) ? grpcMessage(content) : content
}

export function probePath({ routes }: Workload): string {
  return `${usedPrefix(routes)}/${PROBE_PATH}`
}

/** Those besides Host, which comes from the URL. */
export function requestHeaders(workload: Workload): [name: string, value: string][] {
  const { headers } = workload
  const usual: [string, string][] = [
    ['User-Agent', 'legacy-billing/1.0'],
    ['Accept', 'application/json'],
  ]
  const further = Array.from({ length: Math.max(0, headers - 3) }, (_, index): [string, string] => [
    `X-Field-${index + 1}`,
    `the value of field ${index + 1}`,
  ])
  const grpc: [string, string][] = isGrpc(workload)
    ? [
        ['Content-Type', 'application/grpc'],
        ['TE', 'trailers'],
      ]
    : []
  return [...usual, ...grpc, ...further]
}
