import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type SidecarError, toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { AccessLog } from '../observe/access-log.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import { forward } from './forward.ts'
import { decidesByItself, headerValues } from './headers.ts'
import { parseRequestTarget } from './request-target.ts'
import { respondWithFailure } from './respond.ts'
import type { Route } from './route.ts'
import type { RouteTable } from './routes.ts'
import { whileClientWaits } from './wait-for-token.ts'

export type ProxyHandlerOptions = {
  readonly routes: RouteTable<Route>
  /** Counts what no route claims. */
  readonly unmatched: RouteMetrics
  readonly accessLog: AccessLog
  readonly clock: Clock
}

export type ProxyHandler = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/** The straight line that each request takes. */
export function createProxyHandler(options: ProxyHandlerOptions): ProxyHandler {
  const { routes, unmatched, accessLog, clock } = options
  return async (req, res) => {
    const startedAtMs = clock.monotonicMs()
    const method = req.method ?? ''
    let path = ''
    let route: Route | undefined
    let metrics = unmatched
    let tokenWaitMs: number | undefined
    let upstreamMs: number | undefined
    let failure: SidecarError | undefined
    let requestId = givenRequestId(req)
    try {
      const hosts = headerValues(req.rawHeaders, 'host')
      const target = parseRequestTarget(req.url ?? '', hosts, req.httpVersion) // 400
      path = target.path
      route = routes.match(target, method) // 404, 403
      metrics = route.metrics
      metrics.started()

      const { tokens, timeouts } = route
      let token = tokens?.current()
      if (
        tokens !== undefined &&
        token === undefined &&
        !decidesByItself(req.rawHeaders, route.headers)
      ) {
        token = await whileClientWaits(res, timeouts.tokenMs, tokens.get) // 503, 502
        tokenWaitMs = clock.monotonicMs() - startedAtMs
        metrics.tokenWaited(tokenWaitMs)
      }
      const answer = await forward({ req, res, route, target, token, clock }) // 400, 502, 504
      upstreamMs = answer.waitedMs
      metrics.upstreamAnswered(answer.status, answer.waitedMs)
    } catch (thrown) {
      failure = toSidecarError(thrown)
      requestId ??= randomUUID()
      if (metrics === unmatched) metrics.started()
      metrics.failed(failure.code)
      respondWithFailure(res, failure, { route: route?.name, requestId })
    }
    const durationMs = clock.monotonicMs() - startedAtMs
    const status = failure?.status ?? res.statusCode
    metrics.finished(method, status, durationMs)
    accessLog({
      method,
      path,
      route: route?.name,
      status,
      durationMs,
      tokenWaitMs,
      upstreamMs,
      requestId,
      failure,
    })
  }
}

/** What ties this request to others: the application's own id, or the trace it belongs to. */
function givenRequestId(req: IncomingMessage): string | undefined {
  const [id = ''] = headerValues(req.rawHeaders, 'x-request-id')
  if (/^[\w\-.:+/=@]{1,128}$/.test(id)) return id
  // W3C Trace Context section 3.2: version, trace id, parent id, flags.
  const [traceparent = ''] = headerValues(req.rawHeaders, 'traceparent')
  return /^[\da-f]{2}-([\da-f]{32})-/.exec(traceparent)?.[1]
}
