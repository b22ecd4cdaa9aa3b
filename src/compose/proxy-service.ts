import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import type { AuthenticateCaller } from '../exchange/caller-authentication.ts'
import { createRecorder } from '../exchange/exchange-record.ts'
import { createExchangeHandler } from '../exchange/handler.ts'
import { createConnectHandler, type TunnelPolicy } from '../inbound/connect.ts'
import type { ProxyService } from '../inbound/http1-server.ts'
import type { InterceptionIssuer } from '../inbound/intercept.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/logger.ts'
import type { AccessLog } from '../observe/access-log.ts'
import { type Metrics, UNMATCHED } from '../observe/metrics.ts'
import type { Tracer } from '../observe/tracer.ts'
import { hostsOfRoutesOnly } from '../routing/hosts-of-routes-only.ts'
import type { Audit } from './caller-authentication.ts'
import { composeInterception } from './interception.ts'
import { composeOriginPolicy } from './origin-policy.ts'
import { viaName } from './route-plan.ts'
import type { ComposedRoutes } from './routes.ts'

export type ProxyServiceOptions = {
  readonly config: Config
  /** Whether requests are logged with the name of the listener. */
  readonly logsName: boolean
  /** Undefined for a listener that serves every caller. */
  readonly authenticate: AuthenticateCaller | undefined
  readonly routes: ComposedRoutes
  /** Undefined where TLS is not intercepted. */
  readonly issuer: InterceptionIssuer | undefined
  /** Undefined where tunnels to other hosts are not allowed. */
  readonly tunnels: TunnelPolicy | undefined
  readonly accessLog: AccessLog
  readonly audit: Audit
  readonly metrics: Metrics
  readonly tracer: Tracer | undefined
  readonly logger: Logger
  readonly clock: Clock
}

/** What serves the requests of one listener. */
export function composeProxyService(
  { name, address, mode, tls }: ListenerConfig,
  options: ProxyServiceOptions,
): ProxyService {
  const { config, authenticate, routes, issuer, tunnels, metrics, logger, clock } = options
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
  const recorder = createRecorder({
    unmatched: metrics.route(UNMATCHED),
    listener: options.logsName ? name : undefined,
    scheme: tls === undefined ? 'http' : 'https',
    countRequest: (...request) => metrics.inboundRequest(...request),
    accessLog: options.accessLog,
    tracer: options.tracer,
    clock,
  })
  return {
    recorder,
    rejectCertificate: (client) =>
      options.audit.note(name, { reason: 'certificate', caller: undefined, address: client }),
    handle: createExchangeHandler({
      authenticate,
      routes: isTransparent ? hostsOfRoutesOnly(table) : table,
      originPolicy: composeOriginPolicy(address, config.access),
      via: viaName(config),
      recorder,
      clock,
    }),
    connect: createConnectHandler({
      authenticate,
      namesHost: table.namesHost,
      tunnels,
      interception,
      recorder,
      clock,
    }),
    redirected: {
      namesHost: (host) => table.namesHost(host, 'https'),
      namesHttpHost: (host) => table.namesHost(host, 'http'),
      interception: isTransparent ? interception : undefined,
    },
  }
}
