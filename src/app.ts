import { createAdminServer } from './admin/handler.ts'
import { readinessOf } from './admin/readiness.ts'
import { tokenStatus } from './admin/status.ts'
import { composeCallers } from './compose/callers.ts'
import { composeRoutes, composeTunnels, viaName } from './compose/routes.ts'
import { composeTokenSources } from './compose/token-sources.ts'
import type { Config } from './config/schema.ts'
import type { SecretPlaces } from './config/secret-ref.ts'
import { systemClock } from './lib/clock.ts'
import { listen } from './lib/listen.ts'
import { createAccessLog } from './observe/access-log.ts'
import type { Logger } from './observe/logger.ts'
import { createMetrics, UNMATCHED } from './observe/metrics.ts'
import { createConnectHandler } from './proxy/connect.ts'
import { createRecorder } from './proxy/exchange-record.ts'
import { createProxyHandler } from './proxy/handler.ts'
import { createProxyServer } from './proxy/server.ts'
import { createStallWatch } from './proxy/stall-watch.ts'
import { VERSION } from './version.ts'

export type AppOptions = {
  readonly config: Config
  readonly places: SecretPlaces
  readonly logger: Logger
}

export type App = {
  readonly proxyUrl: string
  readonly adminUrl: string
  /** Stops being ready, lets running requests finish within the deadline, and lets go of everything. */
  close(): Promise<void>
}

/**
 * The composition root: a configuration in, a running sidecar out. Sockets open last, so that
 * nobody can ask before everything is there to answer.
 */
export async function startApp({ config, places, logger }: AppOptions): Promise<App> {
  await using cleanup = new AsyncDisposableStack()
  const clock = systemClock
  const metrics = createMetrics({ version: VERSION })
  const startedAtMs = clock.wallMs()
  let draining = false

  const tokens = await composeTokenSources({ ...config, places, clock, metrics, logger })
  cleanup.defer(() => tokens.close())
  const routes = await composeRoutes({
    config,
    tokens,
    readFile: places.readFile,
    clock,
    metrics,
  })
  cleanup.defer(routes.close)
  for (const token of tokens.needed) {
    metrics.watchToken({ ...token, read: token.source.state })
  }
  for (const { origin, pool } of routes.upstreams) {
    metrics.watchUpstream({ origin, read: () => pool().stats })
  }

  const readiness = () =>
    readinessOf(
      tokens.needed.map((token) => ({ ...token, state: token.source.state() })),
      draining,
    )
  const admin = createAdminServer({
    metrics,
    readiness,
    renew(credential) {
      const own = tokens.needed.filter((token) => token.credential === credential)
      if (own.length === 0) return undefined
      return Promise.all(
        own.map(async (token) => {
          await token.source.renew()
          return tokenStatus(token, clock.wallMs())
        }),
      )
    },
    status: () => ({
      version: VERSION,
      node: process.versions.node,
      startedAt: new Date(startedAtMs).toISOString(),
      ...readiness(),
      routes: config.routes.map(({ name, match, upstream, credential }) => ({
        route: name,
        match,
        upstream,
        credential,
        inFlight: metrics.route(name).read().inFlight,
      })),
      tokens: tokens.needed.map((token) => tokenStatus(token, clock.wallMs())),
    }),
  })
  const recorder = createRecorder({
    unmatched: metrics.route(UNMATCHED),
    accessLog: createAccessLog(logger, config.log.access),
    clock,
  })
  const { headers, headersTimeout, keepAlive, connections } = config.limits
  const proxy = createProxyServer({
    recorder,
    maxHeaderBytes: headers,
    headersMs: headersTimeout,
    keepAliveMs: keepAlive,
    maxConnections: connections,
    handle: createProxyHandler({
      routes: routes.table,
      callers: composeCallers(config),
      via: viaName(config),
      recorder,
      clock,
      stalls: createStallWatch(clock),
    }),
    connect: createConnectHandler({
      namesHost: routes.table.namesHost,
      tunnels: composeTunnels(config, metrics),
      recorder,
      clock,
    }),
  })

  for (const { prefetch, source } of tokens.needed) {
    if (prefetch) source.prepare()
  }
  const adminListener = await listen(admin, config.admin, clock)
  cleanup.defer(async () => await adminListener.close(0))
  const proxyListener = await listen(proxy.server, config.listen, clock, proxy.destroyConnections)
  cleanup.defer(async () => {
    draining = true
    proxy.endConnections()
    await proxyListener.close(config.shutdown.deadline)
  })

  const owned = cleanup.move()
  return {
    proxyUrl: proxyListener.url,
    adminUrl: adminListener.url,
    close: async () => await owned.disposeAsync(),
  }
}
