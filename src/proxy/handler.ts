import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AccessLog } from '../observe/access-log.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import { clientClosed, SidecarError, toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import {
  announcesBody,
  expectsContinue,
  headerValues,
  type RequestHeaderPolicy,
  requestHeaders,
} from './headers.ts'
import { relay } from './relay.ts'
import { parseRequestTarget } from './request-target.ts'
import { respondWithFailure } from './respond.ts'
import { type RouteMatch, type RouteTable, upstreamPath } from './routes.ts'
import type { Upstream } from './upstream.ts'

/** A route with everything decided that can be decided before a request comes. */
export type Route = {
  readonly name: string
  readonly match: RouteMatch
  readonly upstream: Upstream
  /** The path of the upstream that the rest is put behind; without a slash at its end. */
  readonly basePath: string
  readonly keepPath: boolean
  readonly headers: RequestHeaderPolicy
  /** Undefined for a route that only forwards. */
  readonly tokens: TokenSource | undefined
  /** The header's value for a token, such as `Bearer …`. */
  readonly tokenValue: (token: AccessToken) => string
  readonly timeouts: {
    readonly tokenMs: number
    readonly responseMs: number
    readonly idleMs: number
  }
  readonly metrics: RouteMetrics
}

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
      const target = parseRequestTarget(
        req.url ?? '',
        headerValues(req.rawHeaders, 'host'),
        req.httpVersion,
      ) // 400
      path = target.path
      route = routes.match(target, method) // 404, 403
      metrics = route.metrics
      metrics.started()

      let token = route.tokens?.current()
      if (route.tokens !== undefined && token === undefined) {
        token = await waitForToken(route.tokens, route.timeouts.tokenMs, res) // 503, 502
        tokenWaitMs = clock.monotonicMs() - startedAtMs
        metrics.tokenWaited(tokenWaitMs)
      }
      const request = {
        upstream: route.upstream,
        method,
        path: upstreamPath(route, target.path) + target.query,
        headers: requestHeaders(req.rawHeaders, route.headers, token && route.tokenValue(token)), // 400
        hasBody: announcesBody(req.rawHeaders),
        responseTimeoutMs: route.timeouts.responseMs,
        idleTimeoutMs: route.timeouts.idleMs,
      }
      if (expectsContinue(req)) res.writeContinue()
      const answer = await relay(request, req, res, clock) // 502, 504
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

/** The slow path: no token is in hand. Ends with the token, the time limit or the client. */
async function waitForToken(
  tokens: TokenSource,
  limitMs: number,
  res: ServerResponse,
): Promise<AccessToken> {
  const left = new AbortController()
  const timer = setTimeout(() => {
    left.abort(
      new SidecarError(
        'token_unavailable',
        'Cannot wait any longer for a token: the authorization server is slow',
        {
          retryAfterMs: 1000,
        },
      ),
    )
  }, limitMs)
  const onClose = (): void => {
    left.abort(clientClosed())
  }
  res.once('close', onClose)
  try {
    return await tokens.get(left.signal)
  } finally {
    clearTimeout(timer)
    res.off('close', onClose)
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
