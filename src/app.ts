import { limitConnections } from './admin/connection-limit.ts'
import { createAdminServer, type Renewal } from './admin/handler.ts'
import { readinessOf } from './admin/readiness.ts'
import { createRenewalLimit } from './admin/renewal-limit.ts'
import { rejectionsOfRoute } from './admin/read-rejections.ts'
import {
  type ConfigurationState,
  configurationStatus,
  failureStatus,
  tokenStatus,
} from './admin/read-status.ts'
import { adminCallers } from './compose/callers.ts'
import { readListenerTls, watchListenerTls } from './compose/listener-tls.ts'
import { createServiceMaker } from './compose/service.ts'
import { fixedChanges } from './config/fixed-settings.ts'
import type { Config } from './config/schema.ts'
import type { SecretPlaces } from './config/secret-ref.ts'
import { systemClock } from './lib/clock.ts'
import { divideDescriptors, readDescriptorLimit } from './lib/descriptor-limit.ts'
import { listen } from './lib/listen.ts'
import { createRateLimit } from './lib/rate-limit.ts'
import { stackFrames } from './lib/stack-frames.ts'
import { createDescriptorWatch } from './observe/descriptor-watch.ts'
import type { Logger } from './observe/logger.ts'
import { createMetrics } from './observe/metrics.ts'
import { createRecentFailures } from './observe/recent-failures.ts'
import { createRouteHistory } from './observe/route-history.ts'
import type { Tracer } from './observe/tracer.ts'
import { createRequestCheck } from './exchange/request-check.ts'
import { createProxyServer } from './inbound/http1-server.ts'
import { createIdleWatch } from './exchange/idle-watch.ts'
import { VERSION } from './version.ts'

export type AppOptions = {
  readonly config: Config
  /** Tells one text of the configuration from another. */
  readonly configVersion: string
  readonly places: SecretPlaces
  readonly logger: Logger
  /** Undefined where tracing is off. */
  readonly tracer?: Tracer | undefined
  readonly droppedLogLines?: () => number
}

/** What is not over yet. */
type Pending = {
  readonly requests: number
  readonly tunnels: number
  /** The names of the tokens that are being requested. */
  readonly tokenRequests: readonly string[]
}

export type App = {
  readonly proxyUrl: string
  readonly adminUrl: string
  /** Resolves when somebody asks on the admin listener for the end. */
  readonly quit: Promise<void>
  /**
   * The next request is served by this configuration; what is running goes on as it began, and what
   * is defined as before is kept. Returns the settings that take a restart instead. Fails, and
   * changes nothing, when a file that it names can't be used.
   */
  readonly reload: (config: Config, configVersion: string) => Promise<string[]>
  /** The file was read, and says what it said before. */
  readonly unchanged: () => void
  /** The file, as it is now, can't be used; `problems` are lines for people. */
  readonly refuse: (problems: readonly string[]) => void
  /** Stops being ready, lets running requests finish within the deadline, and lets go of everything. */
  readonly close: () => Promise<void>
  /** How long `close` may take. */
  readonly shutdownMs: () => number
  readonly pending: () => Pending
}

/**
 * The composition root: a configuration in, a running sidecar out. Sockets open last, so that
 * nobody can ask before everything is there to answer.
 */
export async function startApp(options: AppOptions): Promise<App> {
  const { places, logger, tracer } = options
  await using cleanup = new AsyncDisposableStack()
  const clock = systemClock
  const descriptorLimit = readDescriptorLimit()
  const descriptors = createDescriptorWatch(descriptorLimit, { clock, logger })
  cleanup.defer(descriptors.stop)
  const metrics = createMetrics({
    version: VERSION,
    descriptorFailures: descriptors.failures,
    descriptorLimit,
    ...(options.droppedLogLines !== undefined && { droppedLogLines: options.droppedLogLines }),
  })
  const startedAtMs = clock.wallMs()
  const idle = createIdleWatch(clock)
  const failures = createRecentFailures(clock)
  const history = createRouteHistory(clock)
  cleanup.defer(history.stop)
  const parts = { places, logger, metrics, tracer, failures, descriptors, clock, idle }
  const makeService = createServiceMaker(parts)
  const quit = Promise.withResolvers<void>()
  let draining = false
  let configuration: ConfigurationState = {
    version: options.configVersion,
    loadedAtMs: startedAtMs,
    problems: [],
  }

  let current = await makeService(options.config)
  let checkAdminRequest = createRequestCheck(adminCallers(options.config, options.config.access))
  cleanup.defer(async () => await current.close())
  begin(options.configVersion)

  function begin(version: string): void {
    configuration = { version, loadedAtMs: clock.wallMs(), problems: [] }
    metrics.reloads.loaded(configuration.loadedAtMs)
    metrics.watch({
      tokens: current.tokens.map((token) => ({ ...token, read: token.source.state })),
      upstreams: current.upstreams.map(({ origin, load }) => ({ origin, read: load })),
      rejections: [...current.rejections].map(([route, { read }]) => ({ route, read })),
    })
    history.follow(new Map(current.config.routes.map(({ name }) => [name, metrics.route(name)])))
  }

  function prefetch(): void {
    for (const token of current.tokens) {
      if (token.prefetch && token.source.state().obtainedAtMs === undefined) token.source.prepare()
    }
  }

  const readRejections = (route: string) => ({
    route,
    rejection: current.rejections.get(route)?.read(),
    lastMinute: history.lastMinute(route),
  })
  const readiness = () =>
    readinessOf(
      current.tokens.map((token) => ({ ...token, state: token.source.state() })),
      current.config.routes.map(({ name }) => readRejections(name)),
      draining,
    )
  const renewalLimit = createRenewalLimit(clock)
  const admin = createAdminServer({
    metrics,
    readiness,
    quit: () => {
      if (current.config.shutdown.quit) quit.resolve()
      return current.config.shutdown.quit
    },
    renew(credential) {
      const own = current.tokens.filter((token) => token.credential === credential)
      return own.length === 0 ? undefined : renewTokens(credential, own)
    },
    status: () => ({
      version: VERSION,
      node: process.versions.node,
      at: new Date(clock.wallMs()).toISOString(),
      startedAt: new Date(startedAtMs).toISOString(),
      ...readiness(),
      configuration: configurationStatus(configuration),
      routes: current.config.routes.map(({ name, match, upstream, credential }) => ({
        route: name,
        match,
        upstream,
        credential,
        token: current.tokenOf.get(name),
        inFlight: metrics.route(name).inFlight(),
        ...rejectionsOfRoute(readRejections(name)),
      })),
      tokens: current.tokens.map((token) => tokenStatus(token, clock.wallMs())),
      failures: failures.list().map(failureStatus),
    }),
    history: history.read,
    checkRequest: (req) => checkAdminRequest(req),
  })
  const readTls = async () => await readListenerTls(options.config.listen, places.readFile)
  const tls = await readTls()
  const proxy = createProxyServer({
    tls,
    service: () => current,
    maxHeaderBytes: options.config.limits.headers,
    limits: proxyLimits(options.config),
    onOtherProtocol: (protocol) => metrics.otherProtocol(protocol),
    http2Metrics: metrics.http2.client,
    clock,
  })
  const reportRefused = createRateLimit(clock, (connections) =>
    logger.warn({ connections }, 'too many connections: new ones are closed'),
  )
  proxy.server.on('drop', () => reportRefused(undefined))
  const reportClosed = createRateLimit(clock, (connections) =>
    logger.warn({ connections }, 'too many admin connections: idle ones are closed'),
  )
  const { admin: maxAdmin } = divideDescriptors(descriptorLimit, options.config.limits.connections)
  limitConnections(admin, maxAdmin, () => reportClosed(undefined))

  function proxyLimits({ limits }: Config) {
    const { served, surplus } = divideDescriptors(descriptorLimit, limits.connections)
    return { ...limits, connections: served, surplusConnections: surplus }
  }

  function reportConnectionLimit(config: Config): void {
    const { connections: configured } = config.limits
    const { connections: served } = proxyLimits(config)
    if (served === configured) return
    logger.info(
      { configured, served, descriptors: descriptorLimit },
      'fewer connections than configured, because of the limit of open files',
    )
  }

  async function renewTokens(credential: string, own: typeof current.tokens): Promise<Renewal> {
    const nowMs = clock.wallMs()
    for (const { source } of own) {
      const { failure, requesting } = source.state()
      if (failure !== undefined && failure.nextAttemptAtMs > nowMs && !requesting) {
        return { retryAfterMs: failure.nextAttemptAtMs - nowMs, backingOff: failure.error }
      }
    }
    const retryAfterMs = renewalLimit(credential)
    if (retryAfterMs > 0) return { retryAfterMs }
    await Promise.all(own.map(async ({ source }) => await source.renew()))
    return { tokens: own.map((token) => tokenStatus(token, clock.wallMs())) }
  }

  function pending(): Pending {
    const requesting = current.tokens.filter(({ source }) => source.state().requesting)
    return { ...metrics.pending(), tokenRequests: requesting.map(({ token }) => token) }
  }

  const adminListener = await listen(admin, options.config.admin, clock, {
    onAcceptError: descriptors.note,
  })
  cleanup.defer(async () => await adminListener.close(0))
  const proxyListener = await listen(proxy.server, options.config.listen, clock, {
    onAcceptError: descriptors.note,
    cutOff() {
      logger.warn(pending(), 'the shutdown deadline has passed: closing what is open')
      proxy.destroyConnections()
    },
  })
  if (tls !== undefined) cleanup.defer(watchListenerTls(tls, readTls, clock, proxy.setTls))
  reportConnectionLimit(options.config)
  cleanup.defer(async () => {
    const { delay, deadline, upgraded } = current.config.shutdown
    draining = true
    await new Promise<void>((resolve) => void clock.schedule(delay, resolve))
    proxy.endConnections()
    const cancel = clock.schedule(upgraded, proxy.destroyTunnels)
    await proxyListener.close(deadline)
    cancel()
  })

  // Only now: a start that fails because an address is in use sends no token request.
  prefetch()
  const owned = cleanup.move()
  return {
    proxyUrl: proxyListener.url,
    adminUrl: adminListener.url,
    quit: quit.promise,
    async reload(config, version) {
      const fixed = fixedChanges(options.config, config)
      const next = await makeService(config)
      const last = current
      current = next
      checkAdminRequest = createRequestCheck(adminCallers(options.config, config.access))
      proxy.setLimits(proxyLimits(config))
      reportConnectionLimit(config)
      begin(version)
      prefetch()
      metrics.reloads.reloaded('success')
      last.retire().catch((cause: unknown) => {
        logger.warn({ stack: stackFrames(cause) }, 'cannot close what is not used any more')
      })
      return fixed
    },
    unchanged: () => metrics.reloads.reloaded('unchanged'),
    refuse(problems) {
      configuration = { ...configuration, problems }
      metrics.reloads.reloaded('failure')
    },
    close: async () => await owned.disposeAsync(),
    shutdownMs: () => current.config.shutdown.delay + current.config.shutdown.deadline,
    pending,
  }
}
