import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import type { Recorder } from '../exchange/exchange-record.ts'
import { createExchangeHandler } from '../exchange/handler.ts'
import { createConnectHandler } from '../inbound/connect.ts'
import type { ProxyService } from '../inbound/http1-server.ts'
import type { InterceptionIssuer } from '../inbound/intercept.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { hostsOfRoutesOnly } from '../routing/hosts-of-routes-only.ts'
import { composeInterception } from './interception.ts'
import { composeOriginPolicy } from './origin-policy.ts'
import { viaName } from './route-plan.ts'
import { type ComposedRoutes, composeTunnels } from './routes.ts'

export type ProxyServiceOptions = {
  readonly config: Config
  readonly routes: ComposedRoutes
  /** Undefined where TLS is not intercepted. */
  readonly issuer: InterceptionIssuer | undefined
  readonly recorder: Recorder
  readonly metrics: Metrics
  readonly logger: Logger
  readonly clock: Clock
}

/** What serves the requests of one listener. */
export function composeProxyService(
  { name, address, mode }: ListenerConfig,
  { config, routes, issuer, recorder, metrics, logger, clock }: ProxyServiceOptions,
): ProxyService {
  const table = routes.tableOf(name)
  const isTransparent = mode === 'transparent'
  const interception = composeInterception({
    config,
    issuer,
    table,
    upstreamOf: routes.upstreamOf,
    mode: isTransparent ? 'transparent' : 'intercepted',
    record: metrics.interception,
    logger,
    clock,
  })
  return {
    recorder,
    handle: createExchangeHandler({
      routes: isTransparent ? hostsOfRoutesOnly(table) : table,
      originPolicy: composeOriginPolicy(address, config.access),
      via: viaName(config),
      recorder,
      clock,
    }),
    connect: createConnectHandler({
      namesHost: table.namesHost,
      tunnels: composeTunnels(config, metrics),
      interception,
      recorder,
      clock,
    }),
    redirected: {
      namesHost: (host) => table.namesHost(host, 'https'),
      interception: isTransparent ? interception : undefined,
    },
  }
}
