import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import { createRecorder } from '../exchange/exchange-record.ts'
import { createExchangeHandler } from '../exchange/handler.ts'
import type { Route } from '../exchange/route.ts'
import { createConnectHandler } from '../inbound/connect.ts'
import type { ProxyService } from '../inbound/http1-server.ts'
import type { Clock } from '../lib/clock.ts'
import type { AccessLog } from '../observe/access-log.ts'
import { type Metrics, UNMATCHED } from '../observe/metrics.ts'
import type { Tracer } from '../observe/tracer.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { CallerAuthentication } from './caller-authentication.ts'
import { composeOriginPolicy } from './origin-policy.ts'
import { viaName } from './route-plan.ts'
import { composeTunnels } from './routes.ts'

export type ListenerServiceOptions = {
  readonly config: Config
  /** Whether requests are logged with the name of the listener. */
  readonly logsName: boolean
  readonly routes: RouteTable<Route>
  /** Undefined for a listener that serves every caller. */
  readonly authentication: CallerAuthentication | undefined
  readonly accessLog: AccessLog
  readonly metrics: Metrics
  readonly tracer: Tracer | undefined
  readonly clock: Clock
}

/** What serves the requests of one listener with one configuration. */
export function composeListenerService(
  { name, address, tls }: ListenerConfig,
  options: ListenerServiceOptions,
): ProxyService {
  const { config, routes, authentication, accessLog, metrics, tracer, clock } = options
  const recorder = createRecorder({
    unmatched: metrics.route(UNMATCHED),
    listener: options.logsName ? name : undefined,
    scheme: tls === undefined ? 'http' : 'https',
    countProtocol: (protocol) => metrics.inboundRequest(protocol),
    accessLog,
    tracer,
    clock,
  })
  const authenticate = authentication?.authenticate
  return {
    recorder,
    handle: createExchangeHandler({
      authenticate,
      routes,
      originPolicy: composeOriginPolicy(address, config.access),
      via: viaName(config),
      recorder,
      clock,
    }),
    connect: createConnectHandler({
      authenticate,
      namesHost: routes.namesHost,
      tunnels: composeTunnels(config, metrics),
      recorder,
      clock,
    }),
  }
}
