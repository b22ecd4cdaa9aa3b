import type { Config } from '../config/schema.ts'
import type { Route } from '../exchange/route.ts'
import { createInterception, type Interception, type RoutedHost } from '../inbound/intercept.ts'
import type { InterceptionIssuer } from '../inbound/intercept.ts'
import type { Clock } from '../lib/clock.ts'
import { createRateLimit } from '../lib/rate-limit.ts'
import type { HandshakeFailure, InterceptionRecord } from '../observe/interception-record.ts'
import type { Logger } from '../observe/logger.ts'
import type { Upstream } from '../outbound/upstream.ts'
import type { RouteTable } from '../routing/route-table.ts'

export type ComposeInterceptionOptions = {
  readonly config: Pick<Config, 'limits'>
  /** Undefined where TLS is not intercepted. */
  readonly issuer: InterceptionIssuer | undefined
  readonly table: RouteTable<Route>
  readonly upstreamOf: (route: Route) => Upstream | undefined
  readonly mode: 'intercepted' | 'transparent'
  readonly record: InterceptionRecord
  readonly logger: Logger
  readonly clock: Clock
}

/** TLS in the name of the hosts of routes; failed handshakes are counted and logged. */
export function composeInterception(options: ComposeInterceptionOptions): Interception | undefined {
  const { config, issuer, table, upstreamOf, mode, record, logger, clock } = options
  if (issuer === undefined) return undefined
  for (const host of table.hosts) record.add(host)
  const reports = new Map<string, (failure: HandshakeFailure) => void>()
  const report = (host: string, failure: HandshakeFailure): void => {
    const key = `${host} ${failure.outcome}`
    const known = reports.get(key)
    const limited = known ?? createHandshakeReport(host, logger, clock)
    if (known === undefined) reports.set(key, limited)
    limited(failure)
  }
  return createInterception({
    issuer,
    routedHost: (authority) => routedHost(table.routesFor(authority, 'https'), upstreamOf),
    mode,
    observer: {
      succeeded: (host) => record.succeeded(host, clock.wallMs()),
      failed(host, failure) {
        record.failed(host, failure, clock.wallMs())
        report(host, failure)
      },
    },
    timeoutMs: config.limits.headersTimeout,
    clock,
  })
}

function createHandshakeReport(
  host: string,
  logger: Logger,
  clock: Clock,
): (failure: HandshakeFailure) => void {
  return createRateLimit(clock, (handshakes, { outcome, reason, advice }: HandshakeFailure) =>
    logger.warn(
      { host, outcome, reason, advice, handshakes },
      'TLS handshake with an application failed',
    ),
  )
}

/**
 * HTTP/2 is offered to the application if every upstream of the host speaks it. One that does not respond decides
 * nothing, because requests are converted where the protocols differ.
 */
function routedHost(
  routes: readonly Route[],
  upstreamOf: ComposeInterceptionOptions['upstreamOf'],
): RoutedHost | undefined {
  const [first] = routes
  if (first?.match.host === undefined) return undefined
  const upstreams = [...new Set(routes.map(upstreamOf))]
  return {
    name: first.match.host,
    async speaksHttp2() {
      const all = await Promise.all(upstreams.map(async (each) => await each?.speaksHttp2()))
      return all.every((speaks) => speaks !== false)
    },
  }
}
