import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../lib/clock.ts'
import { type CallerPolicy, createWebPageGuard } from '../routing/origin-check.ts'
import type { Recorder } from './exchange-record.ts'
import { forward } from './forward.ts'
import { readRequestHead } from '../http/request-head.ts'
import { decidesByItself } from './request-fields.ts'
import { readTarget } from '../routing/request-checks.ts'
import { isLastHop, refuseUnsupported } from './request-rules.ts'
import { respondToOptions, respondWithFailure } from './failure-response.ts'
import type { Route } from './route.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { StallWatch } from './idle-watch.ts'
import { switchProtocols, type UpgradableConnection } from '../inbound/upgrade.ts'
import { whileClientWaits } from './wait-for-token.ts'

export type ProxyHandlerOptions = {
  readonly routes: RouteTable<Route>
  readonly callers: CallerPolicy
  /** Our name in `Via`; undefined for none. */
  readonly via: string | undefined
  readonly recorder: Recorder
  readonly clock: Clock
  readonly stalls: StallWatch
}

export type ProxyHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  upgradable?: UpgradableConnection,
) => Promise<void>

/** The straight line that each request takes. */
export function createProxyHandler(options: ProxyHandlerOptions): ProxyHandler {
  const { routes, callers, via, recorder, clock, stalls } = options
  const refuseWebPages = createWebPageGuard(callers, routes.namesHost)
  return async (req, res, upgradable) => {
    const head = readRequestHead(req)
    const record = recorder.begin(head.method, head)
    let status: number
    try {
      refuseUnsupported(head, req.httpVersionMajor, via) // 400, 417, 501, 502
      const target = readTarget(req, head, callers) // 400
      record.path = target.path
      record.query = target.query
      refuseWebPages(head, target) // 403
      const route = routes.match(target, head.method) // 404, 403
      recorder.claim(record, route)

      if (isLastHop(head)) {
        respondToOptions(res)
      } else {
        const { tokens, timeouts } = route
        const { span } = record
        let token = tokens?.current()
        if (tokens !== undefined && token === undefined && !decidesByItself(head, route.headers)) {
          token = await whileClientWaits(res, timeouts.tokenMs, tokens.get, span) // 503, 502
          record.tokenWaitMs = clock.monotonicMs() - record.startedAtMs
          route.metrics.tokenWaited(record.tokenWaitMs)
        }
        const mayUpgrade = upgradable !== undefined
        const exchange = { req, res, head, route, target, token, mayUpgrade, span, clock, stalls }
        const answer = await forward(exchange) // 400, 408, 502, 504
        record.upstreamMs = answer.waitedMs
        route.metrics.upstreamAnswered(answer.status, answer.waitedMs)
        if (answer.switched !== undefined && upgradable !== undefined) {
          recorder.tunnelled(record, answer.status)
          record.tunnel = await switchProtocols(answer.switched, upgradable, exchange)
        }
      }
      status = record.tunnel === undefined ? res.statusCode : 101
    } catch (thrown) {
      const failure = recorder.fail(record, thrown)
      respondWithFailure(req, res, failure, record)
      status = failure.status
    }
    recorder.end(record, status)
  }
}
