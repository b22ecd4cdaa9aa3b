import type { Needs } from '../contenders/contender.ts'
import { usedPrefix } from '../contenders/route-paths.ts'
import { type Answer, ANSWERS, PROBE_PATH, UPLOAD_PATH } from '../stage/answers.ts'

/** What is asked of a contender, and how it is set up for that. */
export type Workload = Needs & {
  readonly method: 'GET' | 'POST'
  readonly bodyBytes: number
  readonly answer: Answer
  /** How many header fields the application sends, Host included. */
  readonly headers: number
  readonly connections: number
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
}

export function requestPath({ routes, bodyBytes, answer }: Workload): string {
  const rest = bodyBytes > 0 ? `${UPLOAD_PATH}/${bodyBytes}` : ANSWERS[answer].path
  return `${usedPrefix(routes)}/${rest}`
}

export function probePath({ routes }: Workload): string {
  return `${usedPrefix(routes)}/${PROBE_PATH}`
}

/** Those besides Host, which comes from the URL. */
export function requestHeaders({ headers }: Workload): [name: string, value: string][] {
  const usual: [string, string][] = [
    ['User-Agent', 'legacy-billing/1.0'],
    ['Accept', 'application/json'],
  ]
  const further = Array.from({ length: Math.max(0, headers - 3) }, (_, index): [string, string] => [
    `X-Field-${index + 1}`,
    `the value of field ${index + 1}`,
  ])
  return [...usual, ...further]
}
